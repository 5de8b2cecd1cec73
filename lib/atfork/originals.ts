// What fork() uses of the language, as it was when daemonkit was loaded. A program may change, stub
// or freeze its globals (SES, fake timers, DOM shims); in the child nothing may depend on them, as
// an error there would make two parents of one.
export const { apply, defineProperty, deleteProperty, getOwnPropertyDescriptor, ownKeys, set } =
  Reflect;
export const { Set: PlainSet, WeakRef: Weak } = globalThis;

const { deref } = WeakRef.prototype;

export function target<T extends object>(ref: WeakRef<T>): T | undefined {
  return apply(deref, ref, []) as T | undefined;
}

/** A data property's new value, whatever Object.prototype has become. */
export function setValue(object: object, key: PropertyKey, value: unknown): boolean {
  return defineProperty(object, key, { __proto__: null, value } as PropertyDescriptor);
}

const { hasOwnProperty: isOwn } = Object.prototype;

export function hasOwn(object: object, key: PropertyKey): boolean {
  return apply(isOwn, object, [key]) as boolean;
}

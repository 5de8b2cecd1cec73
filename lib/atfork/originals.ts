// The builtins that fork() uses, as they were when daemonkit was loaded. A program may change, stub
// or freeze its globals (SES, fake timers, DOM shims). In the child nothing may depend on them: an
// error there would leave two processes that both act as the parent.
export const { apply, defineProperty, deleteProperty, getOwnPropertyDescriptor, ownKeys, set } =
  Reflect;
export const { Symbol: PlainSymbol, WeakRef: Weak } = globalThis;

const { deref } = WeakRef.prototype;

export function target<T extends object>(ref: WeakRef<T>): T | undefined {
  return apply(deref, ref, []) as T | undefined;
}

/** Sets a data property, even if Object.prototype has been changed. */
export function setValue(object: object, key: PropertyKey, value: unknown): boolean {
  return defineProperty(object, key, { __proto__: null, value } as PropertyDescriptor);
}

const { hasOwnProperty: isOwn } = Object.prototype;

export function hasOwn(object: object, key: PropertyKey): boolean {
  return apply(isOwn, object, [key]) as boolean;
}

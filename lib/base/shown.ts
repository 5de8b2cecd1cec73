// What util.inspect() shows of an object whose state is private.
import { type InspectOptionsStylized, inspect } from 'node:util';

/** `Name { state }`, as of a plain object of this class; what is undefined is left out. */
export function shown(
  object: object,
  state: Readonly<Record<string, unknown>>,
  depth: number | null,
  options: InspectOptionsStylized,
): string {
  const { name } = object.constructor;
  // Null, of which no type knows, is all of it.
  if (depth !== null && depth < 0) return options.stylize(`[${name}]`, 'special');
  const told = Object.entries(state).filter(([, value]) => value !== undefined);
  return `${name} ${inspect(Object.fromEntries(told), { ...options, depth })}`;
}

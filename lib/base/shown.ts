// The text that util.inspect() shows for an object whose state is private.
import { type InspectOptionsStylized, inspect } from 'node:util';

/** `Name { state }`, as for a plain object of this class; undefined values are left out. */
export function shown(
  object: object,
  state: Readonly<Record<string, unknown>>,
  depth: number | null,
  options: InspectOptionsStylized,
): string {
  const { name } = object.constructor;
  // Null, which the type does not list, means no limit.
  if (depth !== null && depth < 0) return options.stylize(`[${name}]`, 'special');
  const told = Object.entries(state).filter(([, value]) => value !== undefined);
  return `${name} ${inspect(Object.fromEntries(told), { ...options, depth })}`;
}

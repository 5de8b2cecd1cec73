// Thread ids in libc's records. The threads of a child update them when they are idle.
import { native } from '../addon/native.js';
import { apply, getOwnPropertyDescriptor, hasOwn, setValue } from '../atfork/originals.js';
import { systemError } from '../base/errors.js';

const SETTERS = ['setuid', 'setgid', 'seteuid', 'setegid', 'setgroups', 'initgroups'] as const;
const LONGEST = 10_000;

type Setter = (...args: unknown[]) => unknown;
type Place = readonly [name: string, original: Setter, fixed: boolean];

/**
 * The present functions: the program may have deleted one. A property with a getter belongs to the
 * program.
 */
function places(): Place[] {
  const found: Place[] = [];
  for (let i = 0; i < SETTERS.length; i++) {
    const name = SETTERS[i] as (typeof SETTERS)[number];
    const property = getOwnPropertyDescriptor(process, name);
    if (property === undefined || !hasOwn(property, 'value')) continue;
    const { value, configurable, writable } = property;
    if (typeof value === 'function')
      found[found.length] = [name, value, !configurable && !writable];
  }
  return found;
}

let guarded: Place[] = [];

function restore(): void {
  for (let i = 0; i < guarded.length; i++) {
    const [name, original] = guarded[i] as Place;
    setValue(process, name, original);
  }
  guarded = [];
}

/** The reason why guardSetters() would fail. */
export function settersObstacle(): string | undefined {
  const all = places();
  for (let i = 0; i < all.length; i++) {
    const [name, , fixed] = all[i] as Place;
    if (fixed) return `process.${name} cannot be replaced (it is read-only)`;
  }
  return undefined;
}

/**
 * Threads that were busy during the fork keep the parent's ids in libc's records until they are
 * idle (docs/live-fork.md). Until then libc's own calls to other threads do not reach them. Node
 * makes only one kind of these calls, the changes of user and group, which must reach every thread.
 */
export function guardSetters(rehearsal?: boolean): void {
  if (rehearsal || native.idsAdopted() || guarded.length > 0) return;
  guarded = places();
  for (let i = 0; i < guarded.length; i++) {
    const [name, original] = guarded[i] as Place;
    setValue(process, name, (...args: unknown[]) => {
      if (native.idsAdopted()) restore();
      return withAllThreads(() => apply(original, process, args));
    });
  }
}

/**
 * Changes user or group: libc reaches the threads that it knows, and this function the others.
 *
 * @throws what `change` throws; `EAGAIN` (syscall `fork`) if a thread does not stop within ten
 *   seconds, `EPERM` (syscall `fork`) if a thread could not change.
 */
export function withAllThreads<T>(change: () => T): T {
  // Usually all threads have their own ids by now, or very soon.
  if (native.adoptIds(20)) return change();
  native.beginChange();
  let result: T;
  try {
    result = change();
  } finally {
    native.endChange();
  }
  const error = native.followCaller(LONGEST);
  if (error === 0) return result;
  throw systemError(error, 'fork', { detail: 'a thread kept its old user and groups' });
}

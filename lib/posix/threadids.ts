// Ids of threads in libc's records, which the threads of a child take over when they are idle.
import { native } from '../addon/native.js';
import { apply, getOwnPropertyDescriptor, hasOwn, setValue } from '../atfork/originals.js';
import { systemError } from '../base/errors.js';

const SETTERS = ['setuid', 'setgid', 'seteuid', 'setegid', 'setgroups', 'initgroups'] as const;
const LONGEST = 10_000;

type Setter = (...args: unknown[]) => unknown;
type Place = readonly [name: string, original: Setter, fixed: boolean];

/** What stands there now: the program may have deleted one. One with a getter is the program's. */
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

/** Why guardSetters() could not do its work. */
export function settersObstacle(): string | undefined {
  const all = places();
  for (let i = 0; i < all.length; i++) {
    const [name, , fixed] = all[i] as Place;
    if (fixed) return `process.${name} cannot be replaced (it is read-only)`;
  }
  return undefined;
}

/**
 * Threads that were not idle when the process was forked keep their parent's ids in libc's records
 * until they are (docs/live-fork.md). Only libc's own calls to other threads miss them meanwhile: of
 * those Node makes one kind, the changes of user and group, which must not pass a thread by.
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
 * Makes a change of user or group that libc carries to the threads it knows, and then to the others.
 *
 * @throws what `change` throws; `EAGAIN` (syscall `fork`) if a thread does not stop for ten seconds,
 *   `EPERM` (syscall `fork`) if one could not follow.
 */
export function withAllThreads<T>(change: () => T): T {
  // Most have their own ids by now, or in a moment.
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

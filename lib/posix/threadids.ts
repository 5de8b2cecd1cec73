// Ids of threads in libc's records, which the threads of a child take over when they are idle.
import { constants } from 'node:os';
import { native } from '../addon/native.js';
import { apply } from '../atfork/originals.js';
import { systemError } from '../base/errors.js';

const SETTERS = ['setuid', 'setgid', 'seteuid', 'setegid', 'setgroups', 'initgroups'] as const;
const LONGEST = 10_000;

type Setter = (...args: unknown[]) => unknown;
const setters = process as unknown as Record<(typeof SETTERS)[number], Setter>;
let originals: Setter[] = [];

function restore(): void {
  for (let i = 0; i < originals.length; i++) {
    setters[SETTERS[i] as (typeof SETTERS)[number]] = originals[i] as Setter;
  }
  originals = [];
}

/**
 * Threads that were not idle when the process was forked keep their parent's ids in libc's records
 * until they are (docs/live-fork.md). Only libc's own calls to other threads miss them meanwhile: of
 * those Node makes one kind, the changes of user and group, which must not pass a thread by.
 */
export function guardSetters(): void {
  if (native.idsAdopted() || originals.length > 0) return;
  for (let i = 0; i < SETTERS.length; i++) {
    const name = SETTERS[i] as (typeof SETTERS)[number];
    const original = setters[name];
    originals[i] = original;
    setters[name] = (...args) => {
      if (native.idsAdopted()) restore();
      return withAllThreads(() => apply(original, process, args));
    };
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
  if (!native.missesKept()) {
    if (native.adoptIds(LONGEST)) return change();
    throw systemError(-constants.errno.EAGAIN, 'fork', {
      detail: 'threads are still busy after fork()',
    });
  }
  const result = change();
  const error = native.followCaller(LONGEST);
  if (error === 0) return result;
  throw systemError(error, 'fork', { detail: 'a thread kept its old user and groups' });
}

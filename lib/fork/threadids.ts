// Ids of threads in libc's records, which a busy child takes over later than at the fork.
import { constants } from 'node:os';
import { systemError } from '../errors.js';
import { native } from '../native.js';
import { apply } from './originals.js';

const SETTERS = ['setuid', 'setgid', 'seteuid', 'setegid', 'setgroups', 'initgroups'] as const;

/**
 * Threads that were busy when the process was forked keep their parent's ids in libc's records
 * until they are seen waiting. Only libc's own calls to other threads miss them meanwhile: of
 * those Node makes one kind, the changes of user and group, which must not pass a thread by.
 */
export function adoptThreadIds(): void {
  if (native.idsAdopted()) return;
  type Setter = (...args: unknown[]) => unknown;
  const setters = process as unknown as Record<(typeof SETTERS)[number], Setter>;
  const originals: Setter[] = [];
  const restore = () => {
    for (let i = 0; i < SETTERS.length; i++) {
      setters[SETTERS[i] as (typeof SETTERS)[number]] = originals[i] as Setter;
    }
  };
  for (let i = 0; i < SETTERS.length; i++) {
    const name = SETTERS[i] as (typeof SETTERS)[number];
    const original = setters[name];
    originals[i] = original;
    setters[name] = (...args) => {
      adoptThreadIdsNow();
      restore();
      return apply(original, process, args);
    };
  }
  // By a timer of libuv: Node's would be seen by async_hooks, and may be a fake.
  const retry = (delay: number) => {
    native.after(delay, () => {
      if (native.idsAdopted() || native.quiesce(0)) restore();
      else retry(delay < 50 ? 2 * delay : 100);
    });
  };
  retry(1);
}

/** Waits, blocking, until the child's threads have their ids; throws EAGAIN after ten seconds. */
export function adoptThreadIdsNow(): void {
  if (native.idsAdopted() || native.quiesce(10_000)) return;
  throw systemError(-constants.errno.EAGAIN, 'fork', {
    detail: 'threads of the pool are still busy after fork()',
  });
}

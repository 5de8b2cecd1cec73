// Runs a function with its closure and the whole heap on another processor, without copying it.
import { availableParallelism } from 'node:os';
import { types } from 'node:util';
import { isMainThread } from 'node:worker_threads';
import { expectNode } from '../addon/host.js';
import { promised } from '../base/abort.js';
import { workerUnsupported } from '../base/errors.js';
import { func } from '../base/validate.js';
import { type RunInForkOptions, runPlan } from './options.js';
import { Places } from './places.js';
import { bound, runForked } from './run.js';

export type { RunInForkOptions } from './options.js';
export type { ForkEnd, ForkEndError } from './run.js';

/** @internal Throws as fork() does where a fork is not possible. */
export function expectForks(name: string): void {
  if (!isMainThread) throw workerUnsupported(name);
  expectNode(name, 'fork');
}

let places: Places | undefined;

/**
 * Runs a function in a child process that is a copy of this one, and returns its result. The
 * function sees everything that it can reach in this process, as it is at the moment of the fork.
 * Its changes stay in the child.
 *
 * Nothing else of this process runs in the child: no server, connection, timer, watcher, signal
 * listener or 'exit' listener. In the child this process's sockets and pipes read as ended. Files
 * are shared, and standard output works. The child ends by _exit(2) as soon as the function has
 * returned or its promise has settled. It also ends with this process. At most
 * `os.availableParallelism()` children run at a time; further calls wait.
 *
 * @param fn - called without arguments. If it returns a promise, the child's event loop runs until
 *   the promise has settled.
 * @param options - see {@link RunInForkOptions}.
 * @returns a promise of the result, copied as by structuredClone(), except that a Buffer stays a
 *   Buffer.
 * @throws (rejects with) what the function has thrown, with its name, message, code, cause and the
 *   child's stack; a `DataCloneError` for a result that cannot be copied; a {@link ForkEndError}
 *   (`ERR_FORK_ENDED`, `ETIMEDOUT`) if the child ends without a result; `ERR_FORK_UNSETTLED` for a
 *   promise that cannot settle; an `AbortError` (`ABORT_ERR`, with the signal's reason as `cause`),
 *   once the child is gone; what {@link fork} throws (`EAGAIN`, `ENOMEM`, `EMFILE`, `ENOTSUP`), and
 *   `EAGAIN` (syscall `fork`) for an async function if requests of this process stay pending for
 *   ten seconds. `TypeError`/`RangeError` for wrong arguments.
 *
 * Platform: as {@link fork}. Source: daemonkit's own; fork(2); docs/compute.md.
 */
export function runInFork<T>(fn: () => T, options?: RunInForkOptions): Promise<Awaited<T>> {
  return promised(() => {
    func(fn, 'fn');
    const plan = runPlan(options);
    expectForks('runInFork()');
    places ??= new Places(availableParallelism());
    return runForked(places, plan, bound(fn), types.isAsyncFunction(fn)) as Promise<Awaited<T>>;
  });
}

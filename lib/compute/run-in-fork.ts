// A function with its closure and all of the heap, on another processor, without a copy.
import { AsyncResource } from 'node:async_hooks';
import { availableParallelism } from 'node:os';
import { types } from 'node:util';
import { isMainThread } from 'node:worker_threads';
import { expectNode } from '../addon/host.js';
import { promised } from '../base/abort.js';
import { workerUnsupported } from '../base/errors.js';
import { func } from '../base/validate.js';
import { type RunInForkOptions, runPlan } from './options.js';
import { Places } from './places.js';
import { runForked } from './run.js';

export type { RunInForkOptions } from './options.js';
export type { ForkEnd, ForkEndError } from './run.js';

/** @internal Throws where there can be no child, as fork() does. */
export function expectForks(name: string): void {
  if (!isMainThread) throw workerUnsupported(name);
  expectNode(name, 'fork');
}

/** @internal With what AsyncLocalStorage has where the function was given. */
export const bound = <T extends () => unknown>(fn: T): (() => unknown) =>
  AsyncResource.bind(() => fn());

let places: Places | undefined;

/**
 * Runs a function in a child process that is a copy of this one, and gives what it returns. The function has
 * all that it can reach here, as it is at the moment of the fork; what it changes is changed in the child only.
 *
 * Nothing else of this process goes on in the child: no server, connection, timer, watcher, signal listener
 * or 'exit' listener. Sockets and pipes of this process are at their end there. Files are shared, and standard output works.
 * The child ends as soon as the function has returned, or its promise has settled, by _exit(2); it
 * also ends with this process. At most `os.availableParallelism()` children run at a time, further calls wait.
 *
 * @param fn - called without arguments. If it returns a promise, the child's event loop runs until that has
 *   settled.
 * @param options - see {@link RunInForkOptions}.
 * @returns a promise of the result, as structuredClone() would copy it; a Buffer stays one.
 * @throws (rejects with) what the function has thrown, with its name, message, code, cause and the child's
 *   stack; a `DataCloneError` for a result that cannot be copied; a {@link ForkEndError}
 *   (`ERR_FORK_ENDED`, `ETIMEDOUT`) if the child has ended before; `ERR_FORK_UNSETTLED` for a promise that cannot settle; an `AbortError` (`ABORT_ERR`, `cause` the signal's
 *   reason), when no child is left; what {@link fork} throws (`EAGAIN`, `ENOMEM`, `EMFILE`, `ENOTSUP`), also `EAGAIN` (syscall `fork`) for an async
 *   function while requests of this process stay under way for a second. `TypeError`/`RangeError` for wrong arguments.
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

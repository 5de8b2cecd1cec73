// Hooks around every fork: the contract of pthread_atfork(3) in JavaScript.

import { expectNode } from '../addon/host.js';
import { native } from '../addon/native.js';
import { asError, telling } from '../base/errors.js';
import { type ForkHooks, registry } from './registry.js';

export type { ForkHooks } from './registry.js';

import { expectSync, options, syncFunc } from '../base/validate.js';

/**
 * Registers functions to be called around every fork that daemonkit makes: {@link fork},
 * `becomeDaemon()` and `prefork()`, of any copy of the package in this process.
 *
 * @param hooks - `before` runs in the parent before the fork (last registered first), `parent` in
 *   the parent after it, and `child` in the child (both in order of registration). `parent` also
 *   runs when the fork failed, so that it can release what `before` acquired.
 * @returns a Disposable; disposing it removes the hooks. Each forked process has its own list.
 * @throws `TypeError` (`ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`) for hooks that are not
 *   functions, and for async functions, because a fork does not wait. A hook that returns a promise
 *   counts as one that throws. If a `before` hook throws, there is no fork: the `parent` hooks run,
 *   and fork() throws the error. If a `parent` or `child` hook throws, the remaining hooks run, and
 *   fork() throws the error with a `pid`: in the parent the child's pid, in the child 0.
 *
 * Source: pthread_atfork(3), POSIX.1; Python's os.register_at_fork. The same on all platforms.
 */
export function atFork(hooks: ForkHooks): Disposable {
  const { before, parent, child } = options<ForkHooks>(
    hooks ?? null,
    ['before', 'parent', 'child'],
    'hooks',
  );
  if (before !== undefined) syncFunc(before, 'hooks.before');
  if (parent !== undefined) syncFunc(parent, 'hooks.parent');
  if (child !== undefined) syncFunc(child, 'hooks.child');
  // A copy, so that later changes to the caller's object change nothing here.
  const entry = { ...hooks };
  registry.hooks.add(entry);
  return { [Symbol.dispose]: () => void registry.hooks.delete(entry) };
}

/** The package's own `child` hooks. A parent can rehearse them without effect. */
const rehearsed: ((rehearsal?: boolean) => void)[] = [];

/** @internal A `child` hook that does nothing when it is called with true. */
export function inChildren(run: (rehearsal?: boolean) => void): void {
  rehearsed[rehearsed.length] = run;
  atFork({ child: run });
}

/** @internal In the parent; for the reason see base/rehearsed.ts. */
export function rehearseChildHooks(): void {
  for (let i = 0; i < rehearsed.length; i++) rehearsed[i]?.(true);
  runChildHooks([]);
}

const KEY = Symbol.for('daemonkit.forkInterface.1');

/** The interface of the first copy in this process. The forks of every copy run its handlers. */
function sharedInterface(): object {
  const known = (globalThis as { [KEY]?: object })[KEY];
  const own = native.forkInterface(known);
  if (known === undefined) Object.defineProperty(globalThis, KEY, { value: own });
  return own;
}

const nativeInterface = sharedInterface();

/**
 * Returns the C interface by which a native addon registers fork handlers, as with
 * pthread_atfork(3). Handlers that are registered with pthread_atfork() itself do not run, because
 * fork() is a raw clone(2).
 *
 * @returns an External with the `struct daemonkit_interface` of `daemonkit/cpp/include/daemonkit.h`. Pass it to the
 *   addon; its `atfork()` registers handlers in C.
 * @throws nothing.
 *
 * Source: pthread_atfork(3), POSIX.1; Node-API's External. The same on all platforms.
 */
export function forkInterface(): object {
  expectNode('forkInterface()', 'fork');
  return nativeInterface;
}

/**
 * Makes a child by `make` and runs the parent's hooks around it. The caller must run the child's
 * hooks.
 *
 * @param tell - called in the parent with the child's pid, before the `parent` hooks.
 * @returns what `make` returned: 0 in the child.
 */
export function withForkHooks(make: () => number, tell?: (pid: number) => void): number {
  let pid: number;
  try {
    runForkHooks('before');
    pid = make();
  } catch (error) {
    runForkHooks('parent');
    throw error;
  }
  if (pid > 0) {
    withPid(pid, () => {
      tell?.(pid);
      runForkHooks('parent');
    });
  }
  return pid;
}

/**
 * In the child. An error has the `pid` 0, so that the code that catches it can see that it runs in
 * the child.
 */
export function runChildHooks(of: Iterable<ForkHooks> = registry.hooks): void {
  withPid(0, () => runForkHooks('child', of));
}

/** A hook that throws must not hide the child's pid: the program has to wait for the child. */
function withPid(pid: number, run: () => void): void {
  try {
    run();
  } catch (error) {
    throw telling(asError(error), { pid });
  }
}

/** Runs one phase's hooks; all of them run, then the first error is thrown. */
export function runForkHooks(
  phase: keyof ForkHooks,
  of: Iterable<ForkHooks> = registry.hooks,
): void {
  const hooks = [...of];
  if (phase === 'before') hooks.reverse();
  const errors: unknown[] = [];
  for (const hook of hooks) {
    try {
      expectSync(hook[phase]?.(), `hooks.${phase}`);
    } catch (error) {
      errors.push(error);
    }
    if (phase === 'before' && errors.length > 0) break;
  }
  if (errors.length > 0) throw errors[0];
}

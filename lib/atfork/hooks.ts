// Hooks around every fork: pthread_atfork(3)'s contract in JavaScript.

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
 *   the parent after it (also when the fork failed, so that what `before` took is given back) and
 *   `child` in the child (both in order of registration).
 * @returns a Disposable; disposing it removes the hooks. A copy of the process keeps its own list.
 * @throws `TypeError` (`ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`) for hooks that are not
 *   functions, or async ones: a fork does not wait. A hook that returns a promise fails as by an
 *   error. An error thrown by a `before` hook stops the fork and is thrown by fork(), after
 *   the `parent` hooks have run; one thrown by a `parent` or `child` hook is thrown by fork() when
 *   the remaining hooks have run. It then has a `pid`: in the parent the child's, in the child 0.
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

/** The package's own hooks of children, which a parent can go through without effect. */
const rehearsed: ((rehearsal?: boolean) => void)[] = [];

/** @internal A `child` hook that does nothing when it is called with true. */
export function inChildren(run: (rehearsal?: boolean) => void): void {
  rehearsed[rehearsed.length] = run;
  atFork({ child: run });
}

/**
 * @internal In the parent: V8 compiles a function when it is first called. What only children call,
 * each child would compile anew, with memory that it has to copy for it.
 */
export function rehearseChildHooks(): void {
  for (let i = 0; i < rehearsed.length; i++) rehearsed[i]?.(true);
  runChildHooks([]);
}

const KEY = Symbol.for('daemonkit.forkInterface.1');

/** The first copy's in this process, whose handlers every copy's forks run. */
function sharedInterface(): object {
  const known = (globalThis as { [KEY]?: object })[KEY];
  const own = native.forkInterface(known);
  if (known === undefined) Object.defineProperty(globalThis, KEY, { value: own });
  return own;
}

const nativeInterface = sharedInterface();

/**
 * Returns the C interface by which a native addon registers fork handlers, as by pthread_atfork(3). The handlers of
 * pthread_atfork() itself do not run, because fork() is a raw clone(2).
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
 * Makes a child by `make`, with the parent's hooks around it; those of the child are left to be run.
 *
 * @param tell - is called in the parent with the child's pid, before the `parent` hooks.
 * @returns what `make` returned: 0 in a child that goes on from here.
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

/** In the child: an error has the `pid` 0, so that whoever catches it can tell where it is. */
export function runChildHooks(of: Iterable<ForkHooks> = registry.hooks): void {
  withPid(0, () => runForkHooks('child', of));
}

/** A hook that throws must not hide that there is a child, for which somebody has to wait. */
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

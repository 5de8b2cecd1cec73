// State of the runtime that a forked process must not keep: refreshed in the child of fork().
import { native } from '../addon/native.js';
import { getOwnPropertyDescriptor, hasOwn, setValue } from '../atfork/originals.js';
import { guardSetters, settersObstacle } from '../posix/threadids.js';
import { channelObstacle, closeChannel } from './channel.js';
import { moveChildren, releaseChildren } from './children.js';
import { entropyObstacle, refreshEntropy } from './entropy.js';

/** The exit status of a child whose refresh failed: EX_SOFTWARE of sysexits.h. */
export const UNFIT = 70;

function pidObstacle(): string | undefined {
  const property = getOwnPropertyDescriptor(process, 'pid');
  if (property === undefined || hasOwn(property, 'get')) return undefined;
  if (property.configurable || property.writable) return undefined;
  return 'process.pid cannot be changed (process is frozen or sealed)';
}

/**
 * process.pid is a plain property that Node sets at start-up. If it has a getter, the program has
 * replaced it.
 */
function refreshPid(of: object): void {
  const property = getOwnPropertyDescriptor(of, 'pid');
  if (property !== undefined && hasOwn(property, 'get')) return;
  setValue(of, 'pid', native.getpid());
}

/**
 * The reasons why a child's refresh would fail. Checked in the parent before each fork, where an
 * error is harmless. In the child an error would leave two processes that act as the parent.
 */
export function refreshObstacles(): string[] {
  const reasons: string[] = [];
  const all = [pidObstacle(), entropyObstacle(), channelObstacle(), settersObstacle()];
  for (const reason of all) {
    if (reason !== undefined) reasons.push(reason);
  }
  return reasons;
}

/** Throws a RangeError now if the stack is so full that the child's refresh could not be called. */
export function expectHeadroom(depth = 400): void {
  if (depth > 0) expectHeadroom(depth - 1);
}

type Moving = Parameters<typeof moveChildren>[0];

function refresh(moving?: Moving, rehearsal?: boolean): void {
  refreshPid(rehearsal ? {} : process);
  refreshEntropy(undefined, rehearsal);
  if (moving === undefined) releaseChildren(rehearsal);
  else moveChildren(moving);
  closeChannel(rehearsal);
  guardSetters(rehearsal);
}

/**
 * Runs in the child, before any code of the user. An unexpected failure ends the child at once. It
 * runs no exit handlers, because they belong to the parent; the parent gets the exit status.
 *
 * @param moving - the parent's children, if the child replaces the parent.
 * @param rehearsal - in the parent, without any effect; for the reason see rehearseChildHooks().
 */
export function refreshChild(moving?: Moving, rehearsal?: boolean): void {
  try {
    refresh(moving, rehearsal);
  } catch (error) {
    if (rehearsal) return;
    native.writeAll(2, `daemonkit: the child of fork() cannot continue: ${error}\n`);
    native.exit(UNFIT);
  }
}

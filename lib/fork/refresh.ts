// State of the runtime that a copy of a process must not keep: refreshed in the child of fork().
import { native } from '../addon/native.js';
import { getOwnPropertyDescriptor, hasOwn, setValue } from '../atfork/originals.js';
import { guardSetters, settersObstacle } from '../posix/threadids.js';
import { channelObstacle, closeChannel } from './channel.js';
import { moveChildren, releaseChildren } from './children.js';
import { entropyObstacle, refreshEntropy } from './entropy.js';

/** The exit status of a child that could not be made whole: EX_SOFTWARE of sysexits.h. */
export const UNFIT = 70;

function pidObstacle(): string | undefined {
  const property = getOwnPropertyDescriptor(process, 'pid');
  if (property === undefined || hasOwn(property, 'get')) return undefined;
  if (property.configurable || property.writable) return undefined;
  return 'process.pid cannot be changed (process is frozen or sealed)';
}

/** process.pid is a plain property that was filled at start-up. One with a getter is the program's. */
function refreshPid(of: object): void {
  const property = getOwnPropertyDescriptor(of, 'pid');
  if (property !== undefined && hasOwn(property, 'get')) return;
  setValue(of, 'pid', native.getpid());
}

/**
 * Why a child could not be made whole. Asked in the parent before each fork, where to refuse is free:
 * in the child an error would make two parents of one.
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

/** @param rehearsal - in the parent, where nothing is to happen: rehearseChildHooks() has the reason. */
export function refresh(moving?: Moving, rehearsal?: boolean): void {
  refreshPid(rehearsal ? {} : process);
  refreshEntropy(undefined, rehearsal);
  if (moving === undefined) releaseChildren(rehearsal);
  else moveChildren(moving);
  closeChannel(rehearsal);
  guardSetters(rehearsal);
}

/**
 * In the child, before any of the user's code runs. What fails although nothing stood in the way ends
 * the child at once: it runs no handlers, which are the parent's, and the parent finds its status.
 *
 * @param moving - if the child takes the parent's place, the parent's children.
 */
export function refreshChild(moving?: Moving): void {
  try {
    refresh(moving);
  } catch (error) {
    native.writeAll(2, `daemonkit: the child of fork() cannot go on: ${error}\n`);
    native.exit(UNFIT);
  }
}

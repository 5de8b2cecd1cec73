// Chooses between live fork and starting the program again, and which descriptors stay open in the
// second case.
import { constants } from 'node:os';
import { native } from '../addon/native.js';
import { systemError } from '../base/errors.js';
import { openDescriptors } from '../descriptors/list.js';
import { forkObstacles, permissionObstacles } from '../fork/fork.js';
import { passedDescriptors } from '../system/listen-environment.js';
import type { Plan } from './options.js';

const INTERACTIVE = /^(?:-i|--interactive)$/;
const EVALUATE = /^(?:-e|-p|-pe|--eval(?:=.*)?|--print(?:=.*)?)$/s;

/** Whether the program is given as an option of node (`-e`, `-p`). */
export const isEvaluated = () => process.execArgv.some((option) => EVALUATE.test(option));

/** Why the program cannot be started again. */
function obstacles(): string[] {
  const script = process.argv[1];
  const reasons = permissionObstacles();
  if (process.execArgv.some((option) => INTERACTIVE.test(option))) {
    reasons.push('the REPL cannot be started again');
  } else if (!isEvaluated() && (script === undefined || script === '-')) {
    reasons.push('a script that comes from standard input cannot be read again');
  }
  return reasons;
}

/** The way of becomeDaemon(); throws ENOTSUP if none is possible. */
export function strategyOf({ detach, strategy, workers }: Plan): 'fork' | 'reexec' {
  if (!detach || strategy === 'fork') return 'fork';
  const reasons = forkObstacles({ workers });
  if (strategy === 'auto' && reasons.length === 0) return 'fork';
  const against = obstacles();
  if (against.length === 0) return 'reexec';
  const all = strategy === 'auto' ? new Set([...reasons, ...against]) : against;
  throw systemError(-constants.errno.ENOTSUP, 'execve', { detail: [...all].join('; ') });
}

/** The descriptors that stay open in a program that is started again, besides the daemon's own. */
export function descriptorsToPass({ keep, closeInherited }: Plan): number[] {
  const inherited = closeInherited ? [] : openDescriptors().filter((entry) => entry.inherited);
  const passed = new Set([...keep, ...inherited.map(({ fd }) => fd), ...passedDescriptors()]);
  return [...passed].filter((fd) => fd > 2 && native.closeOnExec(fd) >= 0);
}

// Explains why a program is started again, and which resource conflicts with that.
import { forkObstacles } from '../fork/fork.js';
import { complain } from '../stdio/log-writer.js';
import { listensAt } from '../system/sockets.js';
import type { Plan } from './options.js';

/** The reason why there is no live fork; empty if `reexec` was requested. */
export function whyAgain({ strategy, workers }: Plan): string {
  return strategy === 'auto' ? forkObstacles({ workers }).join('; ') : '';
}

/**
 * Prints the reason to the launcher's standard error, because the daemon will lack everything that
 * the script has made.
 */
export function sayAgain(plan: Plan): void {
  const why = whyAgain(plan);
  if (why !== '')
    complain(`daemonkit: the program is started again because there is no live fork: ${why}\n`);
}

/** The text of cpp/sys/reexec.cc for a daemon that has not called becomeDaemon() yet. */
const NOT_CALLED = 'the script was started again';

/**
 * Names the ports that the launcher still holds. The second run reports EADDRINUSE, but not the
 * owner of the port.
 */
function conflict(): string {
  const places = [...listensAt('self')].map((at) => (typeof at === 'number' ? `port ${at}` : at));
  if (places.length === 0) return '';
  const way = 'listen after becomeDaemon(), or pass the socket on with keep';
  return `; the launcher listens on ${places.join(', ')}, where a second run cannot: ${way}`;
}

/** How far the daemon came, with the launcher's explanation. */
export function explained(stage: string, plan: Plan): string {
  if (!stage.startsWith(NOT_CALLED)) return stage;
  const why = whyAgain(plan);
  const because = why === '' ? '' : ` (no live fork: ${why})`;
  return `${NOT_CALLED}${because}${stage.slice(NOT_CALLED.length)}${conflict()}`;
}

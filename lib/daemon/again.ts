// What is to be said of a program that is started again: why, and what it cannot have twice.
import { forkObstacles } from '../fork/fork.js';
import { complain } from '../stdio/log-writer.js';
import { listensAt } from '../system/sockets.js';
import type { Plan } from './options.js';

/** Why it is no live fork, in words; empty if that was not asked for. */
export function whyAgain({ strategy, workers }: Plan): string {
  return strategy === 'auto' ? forkObstacles({ workers }).join('; ') : '';
}

/** On standard error of the launcher: nothing that the script has made is in the daemon then. */
export function sayAgain(plan: Plan): void {
  const why = whyAgain(plan);
  if (why !== '')
    complain(`daemonkit: the program is started again, as there is no live fork: ${why}\n`);
}

/** What cpp/sys/reexec.cc says of a daemon that has not called becomeDaemon() yet. */
const NOT_CALLED = 'the script was started again';

/** A port that the launcher holds while the second run asks for it: said by that run, but not whose. */
function conflict(): string {
  const places = [...listensAt('self')].map((at) => (typeof at === 'number' ? `port ${at}` : at));
  if (places.length === 0) return '';
  const way = 'listen after becomeDaemon(), or pass the socket on with keep';
  return `; the launcher listens on ${places.join(', ')}, where a second run cannot: ${way}`;
}

/** How far a daemon was, with what the launcher knows of it. */
export function explained(stage: string, plan: Plan): string {
  if (!stage.startsWith(NOT_CALLED)) return stage;
  const why = whyAgain(plan);
  const because = why === '' ? '' : ` (no live fork: ${why})`;
  return `${NOT_CALLED}${because}${stage.slice(NOT_CALLED.length)}${conflict()}`;
}

// In the parent: calls what every child calls; for the reason see base/rehearsed.ts.
import { EventEmitter } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { beChild, type Process } from './child.js';
import { runPlan } from './options.js';

class Ended extends Error {}

function nobody(): Process {
  const events = new EventEmitter();
  for (const name of ['exit', 'SIGTERM']) events.on(name, () => {});
  return {
    rehearsal: true,
    events,
    outputs: new Map([[1, () => ({})]]),
    agents: [{ freeSockets: {}, sockets: {} }],
    leaveLoop: () => 0,
    begin: () => {},
    end() {
      throw new Ended();
    },
  };
}

/**
 * A child's work with a result. As its end is an error here, the same child then reports an error,
 * so that this is rehearsed, too.
 *
 * @param job - a function without effect, bound as that of a call.
 */
export function rehearseChild(job: () => unknown): void {
  // No limit on the size of files applies to it.
  const file = openSync('/dev/null', 'w');
  try {
    beChild({ job, plan: runPlan(undefined), file, parent: 0, forked: 0, quiet: true }, nobody());
  } catch (error) {
    if (!(error instanceof Ended)) throw error;
  } finally {
    closeSync(file);
  }
}

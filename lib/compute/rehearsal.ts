// In the parent: calls what every child calls; for the reason see base/rehearsed.ts.
import { EventEmitter } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { beChild, type Process } from './child.js';
import type { Plan } from './options.js';

/** Without any option. */
export const NO_PLAN: Plan = {
  signal: undefined,
  timeout: undefined,
  nice: undefined,
  limits: [],
  workers: false,
};

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
    beChild({ job, plan: NO_PLAN, file, parent: 0, forked: 0, quiet: true }, nobody());
  } catch (error) {
    if (!(error instanceof Ended)) throw error;
  } finally {
    closeSync(file);
  }
}

// In the parent: calls what every child calls; for the reason see base/rehearsed.ts.
import { EventEmitter } from 'node:events';
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { beChild, type Process } from './child.js';
import { runPlan } from './options.js';

/** What its end throws. Not an Error, whose stack might be written by a function of the program. */
const ended = {};

function nobody(): Process {
  const events = new EventEmitter().setMaxListeners(0);
  for (const name of ['exit', 'SIGTERM']) events.on(name, () => {});
  return {
    rehearsal: true,
    events,
    outputs: new Map([[1, () => ({})]]),
    pools: () => ({ agents: [{ freeSockets: {}, sockets: {} }], dispatchers: [{ part: {} }] }),
    leaveLoop: () => 0,
    begin: () => {},
    isCopy: () => false,
    end() {
      throw ended;
    },
  };
}

/** For the result: no limit on the size of files applies to it. */
function openNull(): number {
  const file = openSync('/dev/null', constants.O_WRONLY);
  if (fstatSync(file).isCharacterDevice()) return file;
  closeSync(file);
  throw new Error('no rehearsal without a null device');
}

/**
 * A child's work with a result. As its end is thrown here, the same child then reports a thrown
 * value, so that this is rehearsed, too. Only async hooks see any of it.
 *
 * @param job - a function without effect, bound as that of a call.
 */
export function rehearseChild(job: () => unknown): void {
  const file = openNull();
  try {
    beChild({ job, plan: runPlan(undefined), file, parent: 0, forked: 0, quiet: true }, nobody());
  } catch (error) {
    if (error !== ended) throw error;
  } finally {
    closeSync(file);
  }
}

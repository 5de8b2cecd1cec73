// The fork of a worker: in the child nothing of the master's goes on, whatever fails.
import { closeSync } from 'node:fs';
import { inspect } from 'node:util';
import { native } from '../../addon/native.js';
import { registry } from '../../atfork/registry.js';
import { asError } from '../../base/errors.js';
import { type ForkOptions, forkBy, TIMEOUT } from '../../fork/fork.js';
import { anyWorkers } from '../../fork/workers.js';
import { socketpair } from '../../system/socketpair.js';
import { ConnectionCheck } from './connections.js';
import { whenQuiet } from './quiet.js';

/** One side of a fork: `pid` is 0 in the child, `line` this side's end. */
export interface Born {
  pid: number;
  line: number;
  /** What an atFork() hook in the parent has thrown; there is a child nevertheless. */
  error?: Error;
}

/**
 * Ends a worker that cannot begin, at once: it is a copy of the master as yet, with 'exit' listeners that
 * are the master's.
 */
export function die(error: unknown): never {
  try {
    const { step } = Object(error) as { step?: unknown };
    const where = step === undefined ? '' : `step ${step}: `;
    native.writeAll(2, `daemonkit: a worker cannot start: ${where}${inspect(error)}\n`);
  } catch {
    // An error that cannot be shown.
  }
  return native.exit(1);
}

/** fork() that throws in the parent only, and only if there is no child. */
function forkOrDie({ workers = false }: ForkOptions): Omit<Born, 'line'> {
  const master = native.getpid();
  // Not what an error says: it is a hook's, and may have the `pid` of whatever it is about.
  let pid = -1;
  const make = () => {
    const made = native.fork(TIMEOUT, anyWorkers());
    pid = made.pid;
    return made;
  };
  registry.makingWorker = true;
  try {
    return { pid: forkBy(make, workers) };
  } catch (error) {
    if (native.getpid() !== master) die(error);
    if (pid <= 0) throw error;
    return { pid, error: asError(error) };
  } finally {
    registry.makingWorker = false;
  }
}

/** A turn of the event loop with nothing else on the stack, for one fork. */
export class ForkTurn {
  readonly #connections = new ConnectionCheck();
  #awaited = false;
  #left = false;

  /** What was asked for before comes in the same turn. */
  ask(fork: () => void): void {
    if (this.#awaited) return;
    this.#awaited = true;
    const go = () => {
      this.#awaited = false;
      if (!this.#left) fork();
    };
    // A warning is told in the next turn, which must not be a worker's.
    whenQuiet(() => (!this.#left && this.#connections.look() ? whenQuiet(go) : go()));
  }

  /** In a copy of the master: nothing of what was asked for comes. */
  leave(): void {
    this.#left = true;
  }
}

/** fork() with a line between the two. */
export function forkWithLine(options: ForkOptions): Born {
  const [masters, workers] = socketpair(true);
  try {
    const born = forkOrDie(options);
    closeSync(born.pid === 0 ? masters : workers);
    return { ...born, line: born.pid === 0 ? workers : masters };
  } catch (error) {
    closeSync(masters);
    closeSync(workers);
    throw error;
  }
}

// The fork of a worker. In the child nothing of the master continues, even after an error.
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
  /** The error of an atFork() hook in the parent; the child exists nevertheless. */
  error?: Error;
}

/**
 * Ends a worker that cannot start, at once: it still has the master's 'exit' listeners.
 */
export function die(error: unknown): never {
  try {
    const { step } = Object(error) as { step?: unknown };
    const where = step === undefined ? '' : `step ${step}: `;
    native.writeAll(2, `daemonkit: a worker cannot start: ${where}${inspect(error)}\n`);
  } catch {
    // The error cannot be shown.
  }
  return native.exit(1);
}

/** fork() that throws only in the parent, and only if there is no child. */
function forkOrDie({ workers = false }: ForkOptions): Omit<Born, 'line'> {
  const master = native.getpid();
  // The error's own `pid` is not used: a hook may throw an error with the `pid` of another process.
  let pid = -1;
  const make = () => {
    const made = native.fork(TIMEOUT, anyWorkers());
    if (typeof made === 'number') pid = made;
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

/** Runs one fork in a separate turn of the event loop, with nothing else on the stack. */
export class ForkTurn {
  readonly #connections = new ConnectionCheck();
  #awaited = false;
  #left = false;

  /** Requests a fork. A call joins a pending request. */
  ask(fork: () => void): void {
    if (this.#awaited) return;
    this.#awaited = true;
    const go = () => {
      this.#awaited = false;
      if (!this.#left) fork();
    };
    // A warning is emitted in the next turn, which must not be in a worker.
    whenQuiet(() => (!this.#left && this.#connections.look() ? whenQuiet(go) : go()));
  }

  /** In a fork of the master: cancels the request. */
  leave(): void {
    this.#left = true;
  }
}

/** fork() with a line between parent and child. */
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

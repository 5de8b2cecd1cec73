// Calls for an upgrade: there is one at a time for the whole process, whichever of its masters is asked.

import { Waits } from '../../base/abort.js';
import { asError, codedError, invalidState } from '../../base/errors.js';
import { setTimeout } from '../../base/timers.js';
import { INT_MAX } from '../../base/validate.js';
import type { WaitEnd } from '../../posix/wait.js';
import { tryNotify } from '../../service/notify.js';
import { afterTrial, begins, isReadyNow, succession } from '../../system/succession.js';
import type { WorkerState } from '../state/data.js';
import { type Attempt, Upgrade } from './attempt.js';
import { withTold } from './error.js';
import { expectStartable } from './program.js';
import { noteBegun, noteFailure } from './report.js';

/** What a manager shows of a failure; it takes a single line. */
const LONGEST_STATUS = 1000;

interface Current {
  upgrade: Upgrade;
  waits: Waits<number>;
  patience: number;
}

interface Master {
  /** Another program has taken its place. */
  stop: () => void;
  /** An upgrade has begun, or failed. */
  told: () => void;
}

const masters = new Set<Master>();

/** Another program has this one's place; milliseconds that this one has to end when its masters have. */
let parting: number | undefined;

/** A program that something else holds, a timer, say, would stay for ever. */
function part(): void {
  if (parting !== undefined) setTimeout(() => process.exit(0), Math.min(parting, INT_MAX)).unref();
}
let current: Current | undefined;

/** A master's part in upgrades: its program takes another one's place, and may lose its own. */
export class Place {
  readonly #master: Master;

  constructor(master: Master) {
    this.#master = master;
    masters.add(master);
    begins(this, 'workers');
  }

  /** Calls back when the predecessor has gone its way; at once if there is none. */
  taken(act: () => void): void {
    afterTrial(act);
  }

  /** All workers are ready, or will not be. */
  ready(error?: Error): void {
    isReadyNow(this, error);
  }

  /** Somebody ends this program, ready or not: then there is nobody to take a place. */
  toldToStop(): void {
    isReadyNow(this, codedError('the master was asked to stop', 'ERR_INVALID_STATE'));
  }

  /** As with a reload: who is to take another one's place has no worker that fails to start. */
  workerEnded({ seat, readyAt, leaving }: WorkerState, end: WaitEnd | undefined): void {
    if (!succession.onTrial || readyAt !== undefined || leaving) return;
    const { exitCode, signal } = end ?? {};
    const message = `worker ${seat} has ended before it was ready (${signal ?? exitCode})`;
    isReadyNow(this, codedError(message, 'ERR_WORKERS_FAILED'));
  }

  /** At the end of the master, and in copies of it. */
  leave(): void {
    masters.delete(this.#master);
    if (masters.size === 0) part();
  }
}

/**
 * When this program has taken another one's place itself. A signal to all processes of a group (pkill) comes to it, too,
 * and whoever took its place meanwhile would be ended with it if it fails.
 */
export function ownUpgradeOver(signal: AbortSignal | undefined): Promise<void> {
  const waits = new Waits<void>();
  const over = waits.add(signal);
  afterTrial(() => waits.resolve());
  return over;
}

/** One that is under way is joined. */
export function askUpgrade(attempt: Attempt, signal: AbortSignal | undefined): Promise<number> {
  if (current === undefined) begin(attempt);
  const one = current as unknown as Current;
  return one.waits.add(signal, (error) => aborted(one, error));
}

/** A master stops: nobody takes its place then. */
export function abandonUpgrade(): void {
  if (current !== undefined && !current.upgrade.isTakingOver) {
    current.upgrade.abandon(invalidState('the master stops'));
  }
}

/** In a copy of the process. */
export function forgetUpgrade(): void {
  current?.upgrade.forget();
  current?.waits.forget();
  current = undefined;
  parting = undefined;
}

function begin(attempt: Attempt): void {
  try {
    expectStartable(attempt.program);
  } catch (error) {
    throw noted(error as Error);
  }
  let upgrade: Upgrade;
  try {
    upgrade = new Upgrade(attempt);
  } catch (error) {
    throw noted(withTold(asError(error), { step: 'start', stderr: '', end: undefined }));
  }
  const one = { upgrade, waits: new Waits<number>(), patience: attempt.patience };
  current = one;
  tryNotify({ reloading: true });
  noteBegun();
  for (const { told } of masters) told();
  upgrade.taken.then(
    (pid) => succeeded(one, pid),
    (error) => failed(one, error),
  );
}

function noted(error: Error): Error {
  noteFailure(error);
  for (const { told } of masters) told();
  return error;
}

function aborted({ upgrade, waits }: Current, error: Error): boolean {
  if (waits.size > 1 || upgrade.isTakingOver) return false;
  upgrade.abandon(error);
  return true;
}

function succeeded({ upgrade, waits, patience }: Current, pid: number): void {
  current = undefined;
  // By this process, as long as it is the one that the manager listens to.
  tryNotify({ mainPid: pid, ready: true });
  const sockets = upgrade.claims?.sockets ?? [];
  for (const { id, file } of succession.sockets.values()) {
    if (file !== undefined && sockets.includes(`${id}`)) succession.handedOver.add(file);
  }
  for (const daemon of succession.daemons) daemon.superseded();
  parting = patience;
  waits.resolve(pid);
  for (const { stop } of [...masters]) stop();
}

function failed({ waits }: Current, error: Error): void {
  current = undefined;
  noted(error);
  const [first = ''] = error.message.split('\n', 1);
  tryNotify({ ready: true, status: `upgrade: ${first}`.slice(0, LONGEST_STATUS) });
  waits.reject(error, masters.size === 0);
}

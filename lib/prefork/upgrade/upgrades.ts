// Calls for an upgrade. There is one upgrade at a time for the whole process with all its masters.

import { Waits } from '../../base/abort.js';
import { Alarm, clock } from '../../base/alarm.js';
import { deferred } from '../../base/deferred.js';
import { asError, codedError, invalidState } from '../../base/errors.js';
import { setTimeout } from '../../base/timers.js';
import { INT_MAX } from '../../base/validate.js';
import type { WaitEnd } from '../../posix/wait.js';
import { tryNotify } from '../../service/notify.js';
import { afterTrial, begins, isReadyNow, succession } from '../../system/succession.js';
import type { WorkerState } from '../state/data.js';
import { KILL_AFTER_MS } from '../state/state.js';
import { type Attempt, Upgrade } from './attempt.js';
import { withTold } from './error.js';
import { expectStartable } from './program.js';
import { noteBegun, noteFailure } from './report.js';

/** The longest text of a failure for the service manager, which shows a single line. */
const LONGEST_STATUS = 1000;

interface Current {
  upgrade: Upgrade;
  waits: Waits<number>;
  patience: number;
  /** Resolves when the outcome is told; then nothing is left of a failed program. */
  settled: Promise<void>;
  /** Ends the wait for a new program that is late to take over. */
  limit: Alarm;
  late: Promise<void>;
}

interface Master {
  runs: () => boolean;
  /** Called when another program has taken over. */
  stop: () => void;
  /** Called when an upgrade has begun or failed. */
  told: () => void;
}

const masters = new Set<Master>();

/**
 * Set when another program has taken over: the milliseconds that this process has to end after its
 * masters.
 */
let parting: number | undefined;

/** Ends the program: otherwise a timer, for example, could keep it alive forever. */
function part(): void {
  if (parting !== undefined) setTimeout(() => process.exit(0), Math.min(parting, INT_MAX)).unref();
}
let current: Current | undefined;

/** A master's part in upgrades: its program may take over from another one, and may be replaced. */
export class Place {
  readonly #master: Master;

  constructor(master: Master) {
    this.#master = master;
    masters.add(master);
    begins(this, 'workers');
  }

  /** Calls back when the predecessor has handed over; at once if there is none. */
  taken(act: () => void): void {
    afterTrial(act);
  }

  /** All workers are ready, or this has failed. */
  ready(error?: Error): void {
    isReadyNow(this, error);
  }

  /** This program is told to stop, ready or not, so it cannot take over. */
  toldToStop(): void {
    isReadyNow(this, codedError('the master was asked to stop', 'ERR_INVALID_STATE'));
  }

  /** As with a reload: a program cannot take over if one of its workers fails to start. */
  workerEnded({ seat, readyAt, leaving }: WorkerState, end: WaitEnd | undefined): void {
    if (!succession.onTrial || readyAt !== undefined || leaving) return;
    const { exitCode, signal } = end ?? {};
    const message = `worker ${seat} has ended before it was ready (${signal ?? exitCode})`;
    isReadyNow(this, codedError(message, 'ERR_WORKERS_FAILED'));
  }

  /** Called at the end of the master, and in forks of it. */
  leave(): void {
    masters.delete(this.#master);
    if (masters.size === 0) part();
  }
}

/**
 * Resolves when this program's own take-over is finished. A signal to all processes of a group
 * (pkill) reaches this program too. If it started an upgrade before its own take-over, and then
 * failed, its successor would be ended with it.
 */
export function ownUpgradeOver(signal: AbortSignal | undefined): Promise<void> {
  const waits = new Waits<void>();
  const over = waits.add(signal);
  afterTrial(() => waits.resolve());
  return over;
}

/** Starts an upgrade, or joins a running one. */
export function askUpgrade(attempt: Attempt, signal: AbortSignal | undefined): Promise<number> {
  if (current === undefined) begin(attempt);
  const one = current as unknown as Current;
  return one.waits.add(signal, (error) => aborted(one, error));
}

/**
 * A master stops: cancels the upgrade. Resolves when nothing is left of the new program, or it has
 * taken over.
 *
 * @returns undefined if there is no upgrade.
 */
export function abandonUpgrade(): Promise<void> | undefined {
  if (current === undefined) return undefined;
  const { upgrade, settled, limit, late, patience } = current;
  if (!upgrade.isTakingOver) {
    upgrade.abandon(invalidState('the master stops'));
    return settled;
  }
  // It is ready, so it is not ended. If it is late, it continues alone.
  limit.set(clock() + patience + KILL_AFTER_MS);
  return Promise.race([settled, late.then(() => (upgrade.isTakingOver ? undefined : settled))]);
}

/** Called in a fork of the process. */
export function forgetUpgrade(): void {
  current?.upgrade.forget();
  current?.waits.forget();
  current?.limit.clear();
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
  const late = deferred<void>();
  const one: Current = {
    upgrade,
    waits: new Waits<number>(),
    patience: attempt.patience,
    settled: upgrade.taken.then(
      (pid) => succeeded(one, pid),
      (error) => failed(one, error),
    ),
    limit: new Alarm(() => late.resolve()),
    late: late.promise,
  };
  current = one;
  tryNotify({ reloading: true });
  noteBegun();
  for (const { told } of masters) told();
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

function succeeded({ upgrade, waits, patience, limit }: Current, pid: number): void {
  current = undefined;
  limit.clear();
  // This process reports it, because the manager still accepts its messages.
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

function failed({ waits, limit }: Current, error: Error): void {
  current = undefined;
  limit.clear();
  noted(error);
  const [first = ''] = error.message.split('\n', 1);
  tryNotify({ ready: true, status: `upgrade: ${first}`.slice(0, LONGEST_STATUS) });
  // When all masters stop, the rejection must not count as unhandled.
  waits.reject(error, ![...masters].some((master) => master.runs()));
}

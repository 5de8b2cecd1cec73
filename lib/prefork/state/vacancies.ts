// Decides which workers to fork and when, and gives seats to ready workers.
import {
  allSeats,
  type Fresh,
  holds,
  isProven,
  isSeated,
  provenAt,
  type State,
  updated,
  type WorkerState,
} from './data.js';

interface Vacancy {
  readonly seat: number;
  readonly fresh: Fresh | undefined;
}

/** Forks one worker. */
export interface Fork extends Vacancy {
  readonly do: 'fork';
}

/**
 * A worker that was forked for the seat of another one gets it when it is ready, or when the other
 * one has ended. The workers of a reload that is not rolling wait for each other.
 */
export function handovers(state: State): State {
  const rolling = state.reload?.stage === 'rolling';
  const heirs = state.workers.filter(({ fresh, leaving }) => {
    return fresh !== undefined && !leaving && (fresh === 'recycle' || rolling);
  });
  return heirs.reduce(handover, state);
}

function handover(state: State, { pid, seat, fresh, readyAt }: WorkerState): State {
  const before = state.workers.find((one) => holds(one, seat));
  if (before !== undefined && readyAt === undefined) return state;
  const closed = state.closed.filter((one) => one !== seat);
  const taken = { ...updated(state, pid, { fresh: undefined }), closed };
  if (before === undefined) return taken;
  const reason = fresh === 'recycle' ? before.due : 'reload';
  const retries = fresh === 'recycle' ? 0 : state.retries;
  return { ...updated(taken, before.pid, { replaced: true, reason }), retries };
}

const forSeats = (seats: readonly number[], fresh: Fresh | undefined): Vacancy[] =>
  seats.map((seat) => ({ seat, fresh }));

/** The seats without such a worker, present or planned. */
function without(state: State, such: (one: WorkerState) => boolean): number[] {
  const taken = new Set(state.workers.filter(such).map(({ seat }) => seat));
  return allSeats(state).filter((seat) => !taken.has(seat));
}

const stays = (one: WorkerState) => holds(one, one.seat);

/** The seats without a worker that stays; in a reload, those without a new worker. */
function vacancies(state: State): Vacancy[] {
  const { phase, reload, closed, remains, seats } = state;
  if (phase !== 'running') return [];
  if (reload?.stage === 'rolling') return [];
  if (reload?.stage === 'starting') {
    const seats = without(state, ({ fresh, leaving }) => fresh === 'reload' && !leaving);
    return forSeats(seats, 'reload');
  }
  const empty = without(state, stays).filter((seat) => !closed.includes(seat));
  const further = remains.filter(
    (seat) => seat > seats && !state.workers.some((one) => holds(one, seat)),
  );
  return forSeats([...empty, ...further], undefined);
}

/**
 * The forks of a rolling reload: for seats without a new worker, up to the limit of workers beside
 * those with seats. A worker that is still ending counts as one beside them.
 */
function rolling(state: State, now: number): Vacancy[] {
  const { phase, reload, generation, notBefore, workers } = state;
  if (phase !== 'running' || reload?.stage !== 'rolling') return [];
  const stale = without(state, (one) => {
    const comes = one.fresh === 'reload' && !one.leaving;
    return one.generation === generation && (comes || stays(one));
  });
  const empty = new Set(without(state, stays));
  const beside = workers.filter((one) => !isSeated(one)).length;
  const old = stale.filter((seat) => !empty.has(seat));
  const vacant = now < notBefore ? [] : stale.filter((seat) => empty.has(seat));
  return forSeats([...vacant, ...old.slice(0, Math.max(reload.surge - beside, 0))], 'reload');
}

/**
 * The next workers to recycle: the oldest first, one at a time, and only while no failures are
 * open.
 */
function recycling(state: State, now: number): Vacancy[] {
  const { phase, reload, retryAt, workers } = state;
  if (phase !== 'running' || reload !== undefined) return [];
  if (now < retryAt || !workers.every(isSeated)) return [];
  const due = workers.find((one) => one.due !== undefined && !one.leaving);
  return due === undefined ? [] : [{ seat: due.seat, fresh: 'recycle' }];
}

/** After a failure, only one attempt at a time until a worker has proven itself. */
function onTrial(state: State, now: number): boolean {
  const unproven = (one: WorkerState) => one.trial && !one.leaving && !isProven(one, state, now);
  return state.failures > 0 && state.workers.some(unproven);
}

export function forks(state: State, now: number): Fork[] {
  if (state.cold) return [];
  return wanted(state, now).map((one) => ({ do: 'fork', ...one }));
}

function wanted(state: State, now: number): Vacancy[] {
  const { reload, notBefore, failures } = state;
  if (reload?.stage === 'rolling') return rolling(state, now);
  const vacant = vacancies(state);
  // A failure ends the reload, so no trial is needed.
  if (reload?.stage === 'starting') return vacant;
  if (now < notBefore || onTrial(state, now)) return [];
  if (failures > 0) return vacant.slice(0, 1);
  return vacant.length > 0 ? vacant : recycling(state, now);
}

export function wakeTime(state: State, now: number): number {
  const { workers, reload, notBefore, retryAt, failures } = state;
  const times = workers.map(({ killAt }) => killAt);
  if (reload?.stage === 'hook') times.push(reload.deadline);
  if (vacancies(state).length > 0 || reload?.stage === 'rolling') times.push(notBefore);
  if (workers.some((one) => one.due !== undefined)) times.push(notBefore, retryAt);
  if (failures > 0) times.push(...workers.map((one) => provenAt(one, state)));
  return Math.min(Number.POSITIVE_INFINITY, ...times.filter((time) => time > now));
}

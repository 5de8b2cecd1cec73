// What a master does next: the workers that are wanted against those that there are.
import { codedError, invalidState } from '../base/errors.js';
import type { SignalName } from '../system/signal-numbers.js';
import type { EndReason } from './options.js';
import {
  type Fresh,
  hookSettled,
  isProven,
  isSeated,
  KILL_AFTER_MS,
  type State,
  stopAsked,
  updated,
  type WorkerState,
} from './state.js';

export type Action =
  /** One worker more. What comes of it is an event; the others are done with being told. */
  | { readonly do: 'fork'; readonly seat: number; readonly fresh: Fresh | undefined }
  | { readonly do: 'ask'; readonly pid: number }
  | { readonly do: 'kill'; readonly pid: number; readonly signal: SignalName }
  | { readonly do: 'tell'; readonly what: 'started' | 'reloaded' | 'ended'; error?: Error };

export interface Next {
  /** With the actions done, but for the forks. */
  state: State;
  actions: readonly Action[];
  /** When to look again if nothing happens before. */
  wakeAt: number;
}

/** What is to be done now. The same again when it was done: nothing, but for the forks. */
export function next(given: State, now: number): Next {
  const told: Action[] = [];
  let state = deserted(handovers(proofs(given, now)));
  state = reloadOn(state, now, told);
  state = startOn(state, told);
  state = stopOn(state, told);
  const [kept, asks] = goodbyes(state, now);
  const actions = [...told, ...asks, ...forks(kept, now)];
  return { state: kept, actions, wakeAt: wakeTime(kept, now) };
}

/** The failures are over when a worker has lived long enough since the last one. */
function proofs(state: State, now: number): State {
  if (state.failures === 0 || !state.workers.some((one) => isProof(one, state, now))) return state;
  return { ...state, failures: 0 };
}

function isProof(worker: WorkerState, state: State, now: number): boolean {
  return isProven(worker, state, now) && provenAt(worker, state) > state.failedAt;
}

function provenAt({ readyAt = Number.POSITIVE_INFINITY }: WorkerState, { rules }: State): number {
  return readyAt + rules.minUptime;
}

/** A worker that is to take another one's place does it when it is ready, or that one is gone. */
function handovers(state: State): State {
  const heir = state.workers.find((one) => one.fresh === 'recycle' && !one.leaving);
  if (heir === undefined) return state;
  const before = state.workers.find((one) => holds(one, heir.seat));
  if (before === undefined) return updated(state, heir.pid, { fresh: undefined });
  if (heir.readyAt === undefined) return state;
  const seated = updated(state, heir.pid, { fresh: undefined });
  const change = { replaced: true, reason: before.due };
  return { ...updated(seated, before.pid, change), retries: 0 };
}

/** It has the seat, and stays. */
function holds(worker: WorkerState, seat: number): boolean {
  return worker.seat === seat && isSeated(worker) && !worker.leaving;
}

/** Takes a reload as far as it goes now. */
function reloadOn(given: State, now: number, told: Action[]): State {
  const { rules } = given;
  let state = given;
  const end = (error?: Error) => {
    told.push({ do: 'tell', what: 'reloaded', ...(error && { error }) });
    return { ...state, reload: undefined };
  };
  if (state.reload?.stage === 'hook' && now >= state.reload.deadline) {
    const message = `onMasterReload has not settled within ${rules.readyTimeout} ms`;
    state = hookSettled(state, now, codedError(message, 'ETIMEDOUT'));
  }
  const { reload } = state;
  if (reload === undefined) return state;
  if (reload.stage === 'retiring') return state.workers.some((one) => one.replaced) ? state : end();
  if (state.phase !== 'running') return end(invalidState('the master stops'));
  const fresh = state.workers.filter((one) => one.fresh === 'reload');
  if (reload.stage === 'failing') return fresh.length > 0 ? state : end(reload.error);
  const ready = fresh.filter((one) => one.readyAt !== undefined);
  if (reload.stage !== 'starting' || ready.length < rules.seats) return state;
  return reloadOn(seated(state), now, told);
}

/** The workers of a reload take the seats of those before them. */
function seated(state: State): State {
  const workers = state.workers.map((one): WorkerState => {
    if (one.fresh === 'reload') return { ...one, fresh: undefined };
    return one.replaced ? one : { ...one, fresh: undefined, replaced: true, reason: 'reload' };
  });
  return { ...state, workers, closed: [], reload: { stage: 'retiring' } };
}

/** Tells once that all workers are ready, or that they will not be. */
function startOn(state: State, told: Action[]): State {
  const { started, rules, workers } = state;
  if (started === true) return state;
  if (started !== false) {
    told.push({ do: 'tell', what: 'started', error: started });
    return { ...state, started: true };
  }
  const ready = workers.filter((one) => isSeated(one) && one.readyAt !== undefined);
  if (new Set(ready.map(({ seat }) => seat)).size < rules.seats) return state;
  told.push({ do: 'tell', what: 'started' });
  return { ...state, started: true };
}

/** A master without a seat to fill has nothing more to do. */
function deserted(state: State): State {
  const { closed, reload, rules } = state;
  return closed.length === rules.seats && reload === undefined ? stopAsked(state) : state;
}

function stopOn(state: State, told: Action[]): State {
  if (state.phase !== 'stopping' || state.workers.length > 0) return state;
  const { reason } = state;
  told.push({ do: 'tell', what: 'ended', ...(reason && { error: reason }) });
  return { ...state, phase: 'ended' };
}

/** Asks those to end that shall, and kills those that hang or were to be gone by now. */
function goodbyes(given: State, now: number): [State, Action[]] {
  let state = given;
  const actions: Action[] = [];
  const killAt = now + state.rules.stopTimeout + KILL_AFTER_MS;
  for (const { pid, reason } of unwanted(state)) {
    actions.push({ do: 'ask', pid });
    state = updated(state, pid, { leaving: 'asked', killAt, reason });
  }
  for (const { pid, killAt, strike, reason, leaving } of state.workers) {
    if (strike !== undefined) {
      actions.push({ do: 'kill', pid, signal: strike });
      state = updated(state, pid, { strike: undefined });
    }
    if (killAt > now) continue;
    actions.push({ do: 'kill', pid, signal: 'SIGKILL' });
    const late = leaving || reason ? reason : 'readyTimeout';
    state = updated(state, pid, { killAt: Number.POSITIVE_INFINITY, reason: late });
  }
  return [state, actions];
}

/** Those that are to be asked now, and why. */
function unwanted({ phase, reload, workers }: State): { pid: number; reason: EndReason }[] {
  const staying = workers.filter((one) => !one.leaving);
  const all = (some: WorkerState[], why?: EndReason) =>
    some.map(({ pid, reason = 'reload' }) => ({ pid, reason: why ?? reason }));
  if (phase === 'stopping') return all(staying, 'stop');
  const failing = reload?.stage === 'failing';
  const undone = staying.filter((one) => failing && one.fresh === 'reload');
  const replaced = staying.filter((one) => one.replaced);
  if (reload?.stage !== 'retiring') return all([...undone, ...replaced]);
  // One after the other.
  const busy = workers.some((one) => one.replaced && one.leaving === 'asked');
  return all(busy ? [] : replaced.slice(0, 1));
}

interface Vacancy {
  seat: number;
  fresh: Fresh | undefined;
}

/** The seats without a worker that stays. Those of a reload are taken by its workers, as they come. */
function vacancies(state: State): Vacancy[] {
  const { phase, reload, rules, workers, closed } = state;
  if (phase !== 'running') return [];
  const fresh = reload?.stage === 'starting' ? 'reload' : undefined;
  const taking = fresh ? (one: WorkerState) => one.fresh === fresh : isSeated;
  const taken = workers.filter((one) => taking(one) && !one.leaving).map(({ seat }) => seat);
  const all = Array.from({ length: rules.seats }, (_, i) => i + 1);
  const open = fresh ? all : all.filter((seat) => !closed.includes(seat));
  return open.filter((seat) => !taken.includes(seat)).map((seat) => ({ seat, fresh }));
}

/** Whose place is to be taken next: the oldest first, and one at a time while all is well. */
function recycling(state: State, now: number): Vacancy[] {
  const { phase, reload, failures, notBefore, retryAt, workers } = state;
  if (phase !== 'running' || reload !== undefined || failures > 0) return [];
  if (now < notBefore || now < retryAt || !workers.every(isSeated)) return [];
  const due = workers.find((one) => one.due !== undefined && !one.leaving);
  return due === undefined ? [] : [{ seat: due.seat, fresh: 'recycle' }];
}

/** Until one has proven itself, one attempt at a time. */
function onTrial(state: State, now: number): boolean {
  const unproven = (one: WorkerState) => one.trial && !one.leaving && !isProven(one, state, now);
  return state.failures > 0 && state.workers.some(unproven);
}

function forks(state: State, now: number): Action[] {
  const vacant = vacancies(state);
  const wanted = vacant.length > 0 ? vacant : recycling(state, now);
  const reloading = state.reload?.stage === 'starting';
  if (!reloading && (now < state.notBefore || onTrial(state, now))) return [];
  const few = !reloading && state.failures > 0 ? wanted.slice(0, 1) : wanted;
  return few.map((one) => ({ do: 'fork', ...one }));
}

function wakeTime(state: State, now: number): number {
  const { workers, reload, notBefore, retryAt, failures } = state;
  const times = workers.map(({ killAt }) => killAt);
  if (reload?.stage === 'hook') times.push(reload.deadline);
  if (vacancies(state).length > 0) times.push(notBefore);
  if (workers.some((one) => one.due !== undefined)) times.push(notBefore, retryAt);
  if (failures > 0) times.push(...workers.map((one) => provenAt(one, state)));
  return Math.min(Number.POSITIVE_INFINITY, ...times.filter((time) => time > now));
}

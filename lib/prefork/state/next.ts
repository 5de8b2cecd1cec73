// Decides the next actions of a master, by comparing the wanted workers with the present ones.
import { codedError, invalidState } from '../../base/errors.js';
import type { SignalName } from '../../system/signal-numbers.js';
import type { EndReason } from '../options.js';
import {
  allReady,
  allSeats,
  type Fresh,
  hookSettled,
  isProven,
  KILL_AFTER_MS,
  provenAt,
  type Reload,
  type State,
  stopAsked,
  updated,
  type WorkerState,
} from './state.js';
import { type Fork, forks, handovers, wakeTime } from './vacancies.js';

export type Action =
  /** The result of a fork comes as an event; other actions have no result. */
  | Fork
  | { readonly do: 'ask'; readonly pid: number }
  | { readonly do: 'kill'; readonly pid: number; readonly signal: SignalName }
  | { readonly do: 'tell'; readonly what: Milestone; error?: Error };

type Milestone = 'started' | 'reloaded' | 'scaled' | 'ended';

export interface Next {
  /** The state after the actions, except the forks. */
  state: State;
  actions: readonly Action[];
  /** When to decide again if no event comes before. */
  wakeAt: number;
}

/**
 * The actions that are due now. Called again with the resulting state it returns none, except the
 * forks.
 */
export function next(given: State, now: number): Next {
  const told: Action[] = [];
  let state = handovers(proofs(given, now));
  state = deserted(reloadOn(state, now, told));
  state = startOn(state, told);
  state = scaleOn(state, told);
  state = stopOn(state, told);
  const [kept, asks] = goodbyes(state, now);
  const actions = [...told, ...asks, ...forks(kept, now)];
  return { state: kept, actions, wakeAt: wakeTime(kept, now) };
}

/** Resets the failures when a worker has lived long enough since the last one. */
function proofs(state: State, now: number): State {
  if (state.failures === 0 || !state.workers.some((one) => isProof(one, state, now))) return state;
  return { ...state, failures: 0 };
}

function isProof(worker: WorkerState, state: State, now: number): boolean {
  return isProven(worker, state, now) && provenAt(worker, state) > state.failedAt;
}

/** Advances a reload as far as possible. */
function reloadOn(given: State, now: number, told: Action[]): State {
  const { rules } = given;
  let state = given;
  const end = (error?: Error) => {
    told.push({ do: 'tell', what: 'reloaded', ...(error && { error }) });
    return { ...state, reload: undefined };
  };
  if (state.reload?.stage === 'hook' && now >= state.reload.deadline) {
    const message = `${state.reload.of} has not settled within ${rules.readyTimeout} ms`;
    state = hookSettled(state, now, codedError(message, 'ETIMEDOUT'));
  }
  const { reload } = state;
  if (reload === undefined) return state;
  if (reload.stage === 'retiring') return state.workers.some((one) => one.replaced) ? state : end();
  if (state.phase !== 'running') return end(invalidState('the master stops'));
  const fresh = state.workers.filter((one) => one.fresh === 'reload');
  if (reload.stage === 'failing') return fresh.length > 0 ? state : end(reload.error);
  const done = reload.stage === 'starting' ? seated(state, fresh) : rolled(state);
  return done === undefined ? state : reloadOn(done, now, told);
}

/** Gives the workers of a reload the seats of the old ones, once all are ready. */
function seated(state: State, fresh: readonly WorkerState[]): State | undefined {
  const ready = fresh.filter((one) => one.readyAt !== undefined && !one.leaving);
  if (!allSeats(state).every((seat) => ready.some((one) => one.seat === seat))) return undefined;
  const workers = state.workers.map((one): WorkerState => {
    if (one.fresh === 'reload') return { ...one, fresh: undefined };
    return one.replaced ? one : { ...one, fresh: undefined, replaced: true, reason: 'reload' };
  });
  return { ...state, workers, closed: [], reload: { stage: 'retiring', surge: 1 } };
}

/** Ends a rolling reload when all seats have new workers. */
function rolled(state: State): State | undefined {
  if (state.reload?.stage !== 'rolling') return undefined;
  const { surge } = state.reload;
  const isNew = ({ generation, readyAt }: WorkerState) =>
    generation === state.generation && readyAt !== undefined;
  return allReady(state, isNew) ? { ...state, reload: { stage: 'retiring', surge } } : undefined;
}

/** Reports once that all workers are ready, or that this is impossible. */
function startOn(state: State, told: Action[]): State {
  const { started } = state;
  if (started === true) return state;
  if (started !== false) {
    told.push({ do: 'tell', what: 'started', error: started });
    return { ...state, started: true };
  }
  if (!allReady(state)) return state;
  told.push({ do: 'tell', what: 'started' });
  return { ...state, started: true };
}

/** Reports to scale() that the number of workers is reached, or that this is impossible. */
function scaleOn(state: State, told: Action[]): State {
  const { scaling, phase, seats, closed, workers } = state;
  if (!scaling) return state;
  const end = (error?: Error) => {
    told.push({ do: 'tell', what: 'scaled', ...(error && { error }) });
    return { ...state, scaling: false };
  };
  if (phase !== 'running') return end(invalidState('the master stops'));
  if (closed.length > 0) {
    return end(codedError(`worker ${closed[0]} has ended`, 'ERR_SCALE_FAILED'));
  }
  return allReady(state) && workers.every(({ seat }) => seat <= seats) ? end() : state;
}

/** Stops a master that has no seat to fill. */
function deserted(state: State): State {
  const { closed, reload, seats } = state;
  return closed.length === seats && reload === undefined ? stopAsked(state) : state;
}

function stopOn(state: State, told: Action[]): State {
  if (state.phase !== 'stopping' || state.workers.length > 0) return state;
  const { reason } = state;
  told.push({ do: 'tell', what: 'ended', ...(reason && { error: reason }) });
  return { ...state, phase: 'ended' };
}

/** Asks workers to end that are not wanted, and kills those that hang or are overdue. */
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

/** The workers to ask now, and why. */
function unwanted({
  phase,
  reload,
  workers,
  seats,
  remains,
}: State): { pid: number; reason: EndReason }[] {
  const staying = workers.filter((one) => !one.leaving);
  const all = (some: WorkerState[], why?: EndReason) =>
    some.map(({ pid, reason = 'reload' }) => ({ pid, reason: why ?? reason }));
  if (phase === 'stopping') return all(staying, 'stop');
  const tooMany = all(
    staying.filter(({ seat }) => seat > seats && !remains.includes(seat)),
    'scale',
  );
  const rest = staying.filter(({ seat }) => seat <= seats);
  const undone = rest.filter(({ fresh }) => fresh !== undefined && fresh === givenUp(reload));
  const replaced = rest.filter((one) => one.replaced);
  if (reload?.stage !== 'retiring') return [...tooMany, ...all([...undone, ...replaced])];
  const busy = workers.filter((one) => one.replaced && one.leaving === 'asked').length;
  return [...tooMany, ...all(replaced.slice(0, Math.max(reload.surge - busy, 0)))];
}

/**
 * Which waiting workers will not get a seat: those of a failed reload, or replacements that are
 * outdated because a reload has begun.
 */
function givenUp(reload: Reload | undefined): Fresh | undefined {
  if (reload?.stage === 'failing') return 'reload';
  return reload?.stage === 'starting' || reload?.stage === 'rolling' ? 'recycle' : undefined;
}

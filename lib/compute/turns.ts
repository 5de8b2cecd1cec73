// Chooses when to fork: in a separate turn of the event loop, with nothing of the program on the
// stack, and without a pending request that the child would also carry out.
import { native } from '../addon/native.js';
import { clock } from '../base/alarm.js';
import { clearImmediate, clearTimeout, setImmediate, setTimeout } from '../base/timers.js';

/** How long to wait for pending requests; longer if the child would get their results. */
const PATIENCE_MS = { usual: 1000, strict: 10_000 };

/**
 * How long a check may take. File system requests are usually done sooner, and no new request is
 * made during the check.
 */
const DRAIN_MS = 10;

/** The time between two checks, at first and in the end. */
const LOOK_MS = { shortest: 50, longest: 1000 };

interface Awaited {
  /** Pending requests must finish, because the child would get their results. */
  strict: boolean;
  deadline: number;
  /** @param quiet - whether all requests finished in time. */
  act: (quiet: boolean) => void;
}

const queue: Awaited[] = [];
let immediate: NodeJS.Immediate | undefined;
let timer: NodeJS.Timeout | undefined;
let delay = LOOK_MS.shortest;
/** The turn in which a fork is made. */
let turn: NodeJS.Immediate | undefined;

function schedule(): void {
  if (immediate !== undefined || timer !== undefined || queue.length === 0) return;
  immediate = setImmediate(look);
}

/** One fork per turn, so that the parent's events are handled between two forks. */
function look(): void {
  turn = immediate;
  immediate = undefined;
  if (queue.length === 0) return;
  const quiet = native.awaitRequests(DRAIN_MS);
  const next = quiet ? queue[0] : queue.find(isDue);
  if (next === undefined) {
    timer = setTimeout(again, delay);
    delay = Math.min(2 * delay, LOOK_MS.longest);
    return;
  }
  delay = LOOK_MS.shortest;
  queue.splice(queue.indexOf(next), 1);
  schedule();
  next.act(quiet);
}

/**
 * Whether to fork although requests are pending. A request whose thread sleeps waits for something
 * outside, as a DNS look-up for its server.
 */
function isDue({ strict, deadline }: Awaited): boolean {
  return clock() > deadline || (!strict && native.quiesce(0));
}

function again(): void {
  timer = undefined;
  schedule();
}

/**
 * Calls back in a separate turn of the event loop.
 *
 * @returns a function that cancels the request.
 */
export function inTurn(strict: boolean, act: (quiet: boolean) => void): () => void {
  const patience = strict ? PATIENCE_MS.strict : PATIENCE_MS.usual;
  const awaited = { strict, deadline: clock() + patience, act };
  queue.push(awaited);
  schedule();
  return () => {
    const at = queue.indexOf(awaited);
    if (at >= 0) queue.splice(at, 1);
  };
}

/**
 * Node's own list (lib/internal/timers.js, ImmediateList). The immediates of one turn are one list,
 * later ones another.
 */
interface Linked extends NodeJS.Immediate {
  _idleNext?: Linked | null;
  _idlePrev?: Linked | null;
}

function drop(from: Linked | undefined, way: '_idleNext' | '_idlePrev'): void {
  for (let at = from?.[way]; at; ) {
    const next: Linked | null | undefined = at[way];
    clearImmediate(at);
    at = next;
  }
}

/**
 * In a child: drops the immediates of the parent, for this turn of the event loop and the next one.
 */
export function dropImmediates(rehearsal: boolean): void {
  const last = setImmediate(() => {}) as Linked;
  drop(rehearsal ? undefined : turn, '_idleNext');
  drop(rehearsal ? undefined : last, '_idlePrev');
  clearImmediate(last);
}

/** In a forked process: the waiting requests belong to the parent. */
export function forgetTurns(rehearsal?: boolean): void {
  if (rehearsal) return;
  queue.length = 0;
  if (immediate !== undefined) clearImmediate(immediate);
  if (timer !== undefined) clearTimeout(timer);
  immediate = undefined;
  timer = undefined;
}

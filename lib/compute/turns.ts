// When to fork: in a turn of the event loop of its own, with nothing of the program's on the stack, and with
// no request under way that the copy would make, too.
import { native } from '../addon/native.js';
import { clock } from '../base/alarm.js';
import { clearImmediate, clearTimeout, setImmediate, setTimeout } from '../base/timers.js';

/** How long to wait for the latter; longer if the copy would hear of it. */
const PATIENCE_MS = { usual: 1000, strict: 10_000 };

/** How long a look may take: requests to the file system are done sooner, as a rule, and none is made meanwhile. */
const DRAIN_MS = 10;

/** Between two looks, at first and in the end. */
const LOOK_MS = { shortest: 50, longest: 1000 };

interface Awaited {
  /** What is under way must be done, as the copy would hear of it. */
  strict: boolean;
  deadline: number;
  /** @param quiet - whether it has become so in time. */
  act: (quiet: boolean) => void;
}

const queue: Awaited[] = [];
let immediate: NodeJS.Immediate | undefined;
let timer: NodeJS.Timeout | undefined;
let delay = LOOK_MS.shortest;
/** The one in which a fork is made. */
let turn: NodeJS.Immediate | undefined;

function schedule(): void {
  if (immediate !== undefined || timer !== undefined || queue.length === 0) return;
  immediate = setImmediate(look);
}

/** One after the other, so that the parent's events have their turn between two forks. */
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

/** Although requests are under way. One that is seen asleep waits for others, as a look-up for its server. */
function isDue({ strict, deadline }: Awaited): boolean {
  return clock() > deadline || (!strict && native.quiesce(0));
}

function again(): void {
  timer = undefined;
  schedule();
}

/**
 * Calls back in a turn of its own.
 *
 * @returns what takes the request back.
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

/** Node's own list of them (lib/internal/timers.js, ImmediateList): those of a turn are one, later ones another. */
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

/** In a child: what its parent would do in the same turn of the event loop, and in the next one. */
export function dropImmediates(): void {
  const last = setImmediate(() => {}) as Linked;
  drop(turn, '_idleNext');
  drop(last, '_idlePrev');
  clearImmediate(last);
}

/** In a copy of the process: those who wait are the parent's. */
export function forgetTurns(rehearsal?: boolean): void {
  if (rehearsal) return;
  queue.length = 0;
  if (immediate !== undefined) clearImmediate(immediate);
  if (timer !== undefined) clearTimeout(timer);
  immediate = undefined;
  timer = undefined;
}

// In a child: stops everything that the parent has begun.
import { AsyncResource, createHook, executionAsyncResource } from 'node:async_hooks';
import { native } from '../addon/native.js';
import { deleteProperty, hasOwn, setValue } from '../atfork/originals.js';
import { check } from '../base/errors.js';
import { clearTimeout, setInterval, setTimeout } from '../base/timers.js';
import { globalPools, leavePools, type Pools } from '../fork/pooled.js';
import { type Outputs, outputs } from '../posix/outputs.js';
import { takeOutputs } from './outputs.js';
import { dropImmediates } from './turns.js';

/** Events whose listeners belong to the parent: its end, errors and messages. */
const EVENTS = [
  'exit',
  'beforeExit',
  'uncaughtException',
  'uncaughtExceptionMonitor',
  'unhandledRejection',
  'rejectionHandled',
  'message',
  'disconnect',
] as const;

/** The parent's part of a child's process; in a rehearsal nothing of the real one. */
export interface Left {
  rehearsal: boolean;
  /** process */
  events: NodeJS.EventEmitter;
  outputs: Outputs;
  pools(): Pools;
  /** Closes the handles of the event loop; see native.leaveLoop(). */
  leaveLoop(): number;
}

export const PARENT: Left = {
  rehearsal: false,
  events: process,
  outputs,
  pools: globalPools,
  leaveLoop: () => check(native.leaveLoop(), 'dup3'),
};

function ignoreSignal(events: NodeJS.EventEmitter, name: string): void {
  const listeners = events.rawListeners(name) as (() => void)[];
  // First, because without a listener the signal would get its default action back.
  events.on(name, () => {});
  for (const one of listeners) events.off(name, one);
}

/**
 * @param exit - ends the process. process.exit() would run the exit handlers of the parent's
 * addons.
 */
function leaveEvents(events: NodeJS.EventEmitter, exit: (code: number) => never): void {
  for (const name of EVENTS) events.removeAllListeners(name);
  for (const name of events.eventNames()) {
    if (typeof name === 'string' && /^SIG/.test(name)) ignoreSignal(events, name);
  }
  // Packages that act at the exit replace these functions.
  if (hasOwn(events, 'emit')) deleteProperty(events, 'emit');
  setValue(events, 'reallyExit', exit);
}

/** Fields of Node's Timeout (lib/internal/timers.js). */
interface Timer {
  _onTimeout: unknown;
  _repeat: number | null;
  _idleStart: number;
}

const nothing = (): void => {};

/** The current time on the timers' clock, in milliseconds. */
export function timersNow(): number {
  const timer = setTimeout(nothing, 1000);
  clearTimeout(timer);
  return (timer as unknown as Timer)._idleStart;
}

/** Marks the begin of the child's own resources: later resources have higher numbers. */
export const asyncMark = (): number => new AsyncResource('daemonkit.compute').asyncId();

const isTimer = (resource: object): resource is Timer =>
  '_onTimeout' in resource && '_idleStart' in resource;

/**
 * Makes the timers of the parent do nothing. Node has no public list of timers, so each is disabled
 * when it is due. A timer that the child has restarted (refresh()) belongs to the child.
 */
export function silenceTimers(mark: number, forked: number): void {
  const silenced = new Map<number, [Timer, unknown]>();
  createHook({
    before(id) {
      if (id > mark) return;
      const timer = executionAsyncResource();
      if (!isTimer(timer) || timer._idleStart > forked) return;
      silenced.set(id, [timer, timer._onTimeout]);
      timer._onTimeout = nothing;
      timer._repeat = null;
    },
    after(id) {
      const [timer, callback] = silenced.get(id) ?? [];
      if (timer === undefined) return;
      silenced.delete(id);
      timer._onTimeout = callback;
    },
  }).enable();
}

/** How often a child looks whether it still waits for something, in milliseconds. */
const LOOK_MS = 100;

/** Node's Timeout, whose class is not exported. */
type OwnTimer = NodeJS.Timeout & { _destroyed?: boolean };

/**
 * For a child whose parent's timers keep the event loop alive, so that 'beforeExit' never comes:
 * notes the child's own timers. Call it before the child makes any.
 *
 * @returns a function that calls back when nothing of the child keeps the loop alive any more.
 */
export function ownTimers(): (idle: () => void) => void {
  const sample = setTimeout(nothing, LOOK_MS);
  clearTimeout(sample);
  const prototype = Object.getPrototypeOf(sample);
  const { refresh } = prototype;
  const own = new Set<OwnTimer>();
  createHook({
    init(_id, type, _trigger, resource) {
      if (type === 'Timeout') own.add(resource as OwnTimer);
    },
  }).enable();
  // It makes a timer of the parent one of the child.
  setValue(prototype, 'refresh', function again(this: OwnTimer) {
    own.add(this);
    return refresh.call(this);
  });
  const waits = () => {
    for (const timer of own) {
      if (timer._destroyed) own.delete(timer);
      else if (timer.hasRef()) return true;
    }
    return native.isBusy();
  };
  return (idle) => {
    setInterval(() => {
      if (!waits()) idle();
    }, LOOK_MS).unref();
  };
}

/**
 * @param exit - ends the process.
 * @returns whether timers of the parent keep the event loop alive.
 */
export function leaveParent(left: Left, exit: (code: number) => never): boolean {
  takeOutputs(left.outputs);
  leaveEvents(left.events, exit);
  dropImmediates(left.rehearsal);
  const timed = left.leaveLoop() > 0;
  leavePools(left.pools());
  return timed;
}

// In a child: nothing that the parent has begun goes on.
import { AsyncResource, createHook, executionAsyncResource } from 'node:async_hooks';
import { native } from '../addon/native.js';
import { deleteProperty, hasOwn, setValue } from '../atfork/originals.js';
import { check } from '../base/errors.js';
import { clearTimeout, setTimeout } from '../base/timers.js';
import { leavePools } from '../fork/pooled.js';
import { takeOutputs } from './outputs.js';
import { dropImmediates } from './turns.js';

/** What the parent does when it ends, or is told something. */
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

function ignoreSignal(name: string): void {
  const listeners = process.rawListeners(name) as (() => void)[];
  // First: without a listener the signal would have its default action again.
  process.on(name, () => {});
  for (const one of listeners) process.off(name, one);
}

/** @param exit - ends the process; process.exit() would run what the parent's addons have for their end. */
function leaveEvents(exit: (code: number) => never): void {
  // Asked first: code that runs for the first time in a child costs a tenth of a millisecond.
  for (const name of EVENTS) if (process.listenerCount(name) > 0) process.removeAllListeners(name);
  for (const name of process.eventNames()) {
    if (typeof name === 'string' && /^SIG/.test(name)) ignoreSignal(name);
  }
  // Packages that act at the end put functions of theirs in these places.
  if (hasOwn(process, 'emit')) deleteProperty(process, 'emit');
  setValue(process, 'reallyExit', exit);
}

/** Fields of Node's Timeout (lib/internal/timers.js). */
interface Timer {
  _onTimeout: unknown;
  _repeat: number | null;
  _idleStart: number;
}

const nothing = (): void => {};

/** The time by which timers are sorted: milliseconds. */
export function timersNow(): number {
  const timer = setTimeout(nothing, 1000);
  clearTimeout(timer);
  return (timer as unknown as Timer)._idleStart;
}

/** Where the child's own things begin: what is made later has a higher number. */
export const asyncMark = (): number => new AsyncResource('daemonkit.compute').asyncId();

const isTimer = (resource: object): resource is Timer =>
  '_onTimeout' in resource && '_idleStart' in resource;

/**
 * Timers of the parent come to nothing. No list of them can be had, so each is met when it is due. One that the
 * child has started again (refresh()) is the child's.
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

/** @param exit - ends the process. */
export function leaveParent(exit: (code: number) => never): void {
  takeOutputs();
  leaveEvents(exit);
  dropImmediates();
  check(native.leaveLoop(), 'dup3');
  leavePools();
}

// A program that was started to take another one's place, until it has: it tells the predecessor how far it is,
// and when it is ready; that one names it in the pidfiles and says "go". If the predecessor ends before,
// by whatever means, nobody else is there to serve, and it goes on alone.
//
// Records to the predecessor: `s` and a step that has begun; `r` and what was taken, as JSON; `f` and why it
// cannot be ready; `t`: it has taken over. From it: `g`.

import { closeSync } from 'node:fs';
import { inspect } from 'node:util';
import { noNode } from '../addon/host.js';
import { native } from '../addon/native.js';
import { atFork } from '../atfork/hooks.js';
import { registry } from '../atfork/registry.js';
import { setImmediate } from '../base/timers.js';
import { survey } from '../descriptors/list.js';
import { ownDescriptors } from '../descriptors/table.js';
import { redirectStreams } from '../stdio/streams.js';
import { fstatOf } from '../system/file-id.js';
import { RecordLine } from '../system/record-line.js';
import { heirlooms, succession } from '../system/succession.js';
import { whenAdopted } from './adoption.js';

let line: RecordLine | undefined;
let said = false;
/** What 2 leads to meanwhile: the predecessor, which writes it on. */
let relay: string | undefined;
/** What it becomes. */
let stderr = -1;

/** When the package is loaded. */
export function followSuccession(): void {
  const { heritage, listeners } = succession;
  if (noNode !== undefined || heritage === undefined || listeners.size > 0) return;
  relay = fstatOf(2);
  stderr = heritage.stderr;
  heritage.stderr = -1;
  listeners.add(tell);
  ownDescriptors(() => [...heirlooms(), stderr].filter((fd) => fd >= 0));
  atFork({ child: disown });
}

/** Standard error becomes this file, not the one of the predecessor. */
export function stderrBecomes(fd: number): void {
  closeSync(stderr);
  stderr = fd;
}

/** Where standard error leads in the end. */
export const outgoingStderr = () => (stderr < 0 ? 2 : stderr);

/** Whether standard error leads to the predecessor as yet. */
export const isRelayed = () => stderr >= 0;

function connect(): void {
  const { heritage } = succession;
  if (line !== undefined || heritage === undefined) return;
  const fd = heritage.line;
  heritage.line = -1;
  line = new RecordLine(
    fd,
    (record) => record === 'g' && settle(false),
    () => settle(true),
    false,
  );
}

function tell(step?: string, error?: Error): void {
  connect();
  if (step !== undefined) line?.say(`s${step}`);
  if (error !== undefined) line?.insist(`f${inspect(error).slice(0, 8000)}`);
  // The next one may begin when this one is ready: `await master.ready`, and then another master.
  if (succession.pending.size === 0) setImmediate(() => setImmediate(announce));
}

function announce(): void {
  const { pending, claimed, onTrial } = succession;
  if (said || pending.size > 0 || !onTrial) return;
  said = true;
  const taken = { sockets: [...claimed.sockets], pidfiles: [...claimed.pidfiles] };
  line?.insist(`r${JSON.stringify(taken)}`);
}

function settle(alone: boolean): void {
  if (!succession.onTrial) return;
  succession.onTrial = false;
  if (alone) nameSelf();
  leaveRelay();
  closeHeirlooms();
  for (const act of succession.settled) act(alone);
  succession.settled.clear();
  line?.insist('t', () => line?.close());
  if (!alone) whenAdopted();
}

/** The pidfiles name the predecessor, which has ended. */
function nameSelf(): void {
  for (const pidfile of succession.pidfiles) {
    try {
      if (succession.claimed.pidfiles.has(pidfile.path)) pidfile.nameSelf();
    } catch (error) {
      process.emitWarning(error as Error);
    }
  }
}

function closeHeirlooms(): void {
  for (const fd of heirlooms()) closeSync(fd);
  succession.heritage = undefined;
}

/** Standard error becomes what it shall be; in a worker when the master says so. */
export function leaveRelay(): void {
  if (stderr < 0) return;
  const fd = stderr;
  stderr = -1;
  // Unless the program has redirected it itself.
  try {
    if (fstatOf(2) === relay) redirectStreams([[2, fd]], epolls());
  } catch (error) {
    // It leads to the predecessor as long as that is there.
    process.emitWarning(error as Error);
  }
  closeSync(fd);
}

/** The event loops'; of this thread's alone in a worker whose root directory has no /proc. */
function epolls(): number[] {
  try {
    return survey(new Set(), []).epolls;
  } catch {
    return native.loopDescriptors();
  }
}

/** A fork of the program: what was handed over is not its own. */
function disown(): void {
  if (!succession.onTrial) return;
  succession.onTrial = false;
  succession.pending.clear();
  succession.settled.clear();
  line?.close();
  closeHeirlooms();
  // A worker that cannot start says why to the predecessor, too, and is told by its master.
  if (!registry.makingWorker) leaveRelay();
}

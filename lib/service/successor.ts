// The new program of an upgrade, until it has taken over. It reports its progress and its readiness
// to the predecessor, which writes the new pid into the pidfiles and sends "go". If the predecessor
// ends earlier for any reason, the new program continues alone.
//
// Records to the predecessor: `s` and a step that has begun; `r` and the resources that were taken,
// as JSON; `f` and the reason of a failure; `t`: it has taken over. From the predecessor: `g`.

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
/** The file behind 2 during the upgrade: a socket to the predecessor, which forwards the data. */
let relay: string | undefined;
/** The final file for standard error. */
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

/** Sets the final file for standard error, instead of the predecessor's. */
export function stderrBecomes(fd: number): void {
  closeSync(stderr);
  stderr = fd;
}

/** The descriptor of the final standard error. */
export const outgoingStderr = () => (stderr < 0 ? 2 : stderr);

/** Whether standard error still leads to the predecessor. */
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
  // Another master may start when this one is ready: `await master.ready`, then another prefork().
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

/** Writes this pid into the pidfiles, which name the ended predecessor. */
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

/** Switches standard error to its final file; in a worker when the master requests it. */
export function leaveRelay(): void {
  if (stderr < 0) return;
  const fd = stderr;
  stderr = -1;
  // Not if the program itself has redirected it.
  try {
    if (fstatOf(2) === relay) redirectStreams([[2, fd]], epolls());
  } catch (error) {
    // Standard error leads to the predecessor as long as that exists.
    process.emitWarning(error as Error);
  }
  closeSync(fd);
}

/**
 * The epolls of all event loops; only this thread's in a worker whose root directory has no /proc.
 */
function epolls(): number[] {
  try {
    return survey(new Set(), []).epolls;
  } catch {
    return native.loopDescriptors();
  }
}

/** In a fork of the program: the handed-over resources do not belong to it. */
function disown(): void {
  if (!succession.onTrial) return;
  succession.onTrial = false;
  succession.pending.clear();
  succession.settled.clear();
  line?.close();
  closeHeirlooms();
  // A worker that cannot start also reports the reason to the predecessor; its master requests the
  // switch later.
  if (!registry.makingWorker) leaveRelay();
}

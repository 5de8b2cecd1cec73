// What a supervisor is told while the daemon is born: over NOTIFY_SOCKET, or s6's descriptor.
import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import { native } from '../addon/native.js';
import { check, systemError } from '../base/errors.js';
import { openChannel, probeChannel, tryNotify } from '../service/notify.js';
import type { Birth } from './birth.js';
import type { Plan } from './options.js';
import { describe } from './report.js';

export function describeSupervision({ notifyFd }: Plan): string | undefined {
  const words: string[] = [];
  if (process.env.NOTIFY_SOCKET) words.push('open the socket of the service manager');
  if (notifyFd !== undefined)
    words.push(`keep descriptor ${notifyFd} for the newline of readiness`);
  return words.length === 0 ? undefined : words.join(', ');
}

/** A descriptor of our own: that one's number may be 1, and lead to a log by then. */
function duplicate(fd: number): number {
  const copy = check(native.dup(fd), 'dup');
  check(native.closeRange(copy, copy, true, 0), 'fcntl');
  return copy;
}

/** A pipe without a reader is in error, or hung up if it is a socket, though nobody has asked. */
function expectReader(fd: number): void {
  if (native.awaitHangup(fd, 0)) throw systemError(-constants.errno.EPIPE, 'write');
}

/** Opens what a chroot would hide and a redirection replace. */
export function openSupervision(birth: Birth): void {
  openChannel();
  const { notifyFd } = birth.plan;
  if (notifyFd === undefined) return;
  birth.readiness ??= duplicate(notifyFd);
  expectReader(birth.readiness);
}

export function probeSupervision({ plan: { notifyFd } }: Birth): void {
  probeChannel();
  if (notifyFd === undefined) return;
  const copy = duplicate(notifyFd);
  try {
    expectReader(copy);
  } finally {
    closeSync(copy);
  }
}

export function closeReadiness(birth: Birth): void {
  if (birth.readiness === undefined) return;
  closeSync(birth.readiness);
  delete birth.readiness;
}

/**
 * Reports to the reader of `notifyFd` that the daemon is ready; once.
 *
 * Source: s6's "Service startup notifications".
 */
export function announceByDescriptor(birth: Birth): void {
  const { readiness, plan } = birth;
  if (readiness === undefined) return;
  check(native.writeAll(readiness, '\n'), 'write');
  closeReadiness(birth);
  const { notifyFd = 0 } = plan;
  if (notifyFd > 2) closeSync(notifyFd);
}

/** The service manager's socket, for a launcher that speaks natively. */
export function channelOfManager(): number | undefined {
  try {
    return openChannel();
  } catch {
    return undefined; // said at the step `notify`, if the daemon needs it
  }
}

/** In the launcher: the daemon is ready, and is the service's process from now on. */
export function announceDaemon(pid: number): void {
  tryNotify({ mainPid: pid, ready: true });
}

const LONGEST_STATUS = 1000;

/** What `systemctl status` shall show of a failure. */
export function announceFailure(error: unknown): void {
  const [first = ''] = describe(error).split(/[\n\0]/, 1);
  const { errno } = (error ?? {}) as { errno?: unknown };
  const known = typeof errno === 'number' && Number.isInteger(errno) ? { errno } : {};
  tryNotify({ status: first.slice(0, LONGEST_STATUS), ...known });
}

// Reports the daemon's start to a supervisor, over NOTIFY_SOCKET or the descriptor of s6.
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
    words.push(`duplicate descriptor ${notifyFd} for the readiness newline`);
  return words.length === 0 ? undefined : words.join(', ');
}

/** Duplicates the descriptor: its number may be 1, which may lead to a log later. */
function duplicate(fd: number): number {
  const copy = check(native.dup(fd), 'dup');
  check(native.closeRange(copy, copy, true, 0), 'fcntl');
  return copy;
}

/**
 * poll(2) reports POLLERR for a pipe without a reader, and POLLHUP for a socket, without being
 * asked.
 */
function expectReader(fd: number): void {
  if (native.awaitHangup(fd, 0)) throw systemError(-constants.errno.EPIPE, 'write');
}

/** Opens what a chroot would hide or a redirection would replace. */
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

/** The service manager's socket, for a launcher that reports natively. */
export function channelOfManager(): number | undefined {
  try {
    return openChannel();
  } catch {
    return undefined; // the step `notify` reports the error if the daemon needs the socket
  }
}

/** In the launcher: reports that the daemon is ready and is the main process of the service. */
export function announceDaemon(pid: number): void {
  tryNotify({ mainPid: pid, ready: true });
}

const LONGEST_STATUS = 1000;

/** The text that `systemctl status` shows for a failure. */
export function announceFailure(error: unknown): void {
  const [first = ''] = describe(error).split(/[\n\0]/, 1);
  const { errno } = (error ?? {}) as { errno?: unknown };
  const known = typeof errno === 'number' && Number.isInteger(errno) ? { errno } : {};
  tryNotify({ status: first.slice(0, LONGEST_STATUS), ...known });
}

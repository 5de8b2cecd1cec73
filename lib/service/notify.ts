// Messages of a service to its manager: sd_notify(3), sd_notify_barrier(3), sd_watchdog_enabled(3).

import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import { expectNode } from '../addon/host.js';
import { native } from '../addon/native.js';
import { readableWithin } from '../addon/watch.js';
import { signalIn } from '../base/abort.js';
import { check, outOfRange, type SystemError, systemError } from '../base/errors.js';
import { clearInterval, setInterval } from '../base/timers.js';
import { INT_MAX, integer, isThenable, options, syncFunc } from '../base/validate.js';
import { complain } from '../stdio/log-writer.js';
import { compose, type NotifyState } from './message.js';

export type { FdStore, NotifyState } from './message.js';

const { EAFNOSUPPORT, ENOTSUP, ECONNREFUSED, ETIMEDOUT } = constants.errno;

/**
 * systemd truncates a longer message, and ignores it for that reason: NOTIFY_BUFFER_MAX of its
 * core/manager.c.
 */
const LONGEST = 4096;

/** The socket, after the first use. A later chroot hides its path, but does not close it. */
let channel: { address: string; fd: number } | undefined;

/**
 * The socket's descriptor; undefined without a manager. An open socket stays in use if the program
 * removes NOTIFY_SOCKET from the environment, for example to hide it from children.
 */
export function openChannel(): number | undefined {
  const address = process.env.NOTIFY_SOCKET || channel?.address;
  if (address === undefined) return undefined;
  if (channel?.address === address) return channel.fd;
  const fd = native.notifyOpen(address);
  if (fd < 0) throw unreachable(fd, address);
  closeChannel();
  channel = { address, fd };
  return fd;
}

/** Checks that the socket can be opened, and leaves nothing open. */
export function probeChannel(): void {
  const before = channel;
  openChannel();
  if (before === undefined) closeChannel();
}

function closeChannel(): void {
  if (channel !== undefined) closeSync(channel.fd);
  channel = undefined;
}

function unreachable(errno: number, address: string) {
  const at = { path: address };
  if (errno !== -EAFNOSUPPORT) return systemError(errno, 'connect', at);
  if (address.startsWith('vsock')) {
    const detail =
      'NOTIFY_SOCKET is a vsock address (for virtual machines), which is not supported';
    return systemError(-ENOTSUP, 'connect', { ...at, detail });
  }
  return systemError(errno, 'connect', {
    ...at,
    detail: 'NOTIFY_SOCKET is neither a path nor an @name',
  });
}

/**
 * Uses the socket, and opens it again if the manager has made a new one. Undefined without a
 * manager.
 */
function overChannel(use: (fd: number) => number): number | undefined {
  const fd = openChannel();
  if (fd === undefined) return undefined;
  const result = use(fd);
  if (result !== -ECONNREFUSED) return check(result, 'sendmsg');
  closeChannel();
  const again = openChannel();
  return check(again === undefined ? result : use(again), 'sendmsg');
}

/** Options of {@link notify}. */
export interface NotifyOptions {
  /**
   * Send the message for this process (sd_pid_notify(3)). This needs CAP_SYS_ADMIN; without it, and
   * on FreeBSD, the message comes from the caller. Default: the caller.
   */
  pid?: number | undefined;
}

/**
 * Reports to the service manager: one message to NOTIFY_SOCKET.
 *
 * ```ts
 * notify({ ready: true, status: 'serving on port 80' });
 * ```
 *
 * systemd accepts messages only from processes that `NotifyAccess=` of the unit allows, by default
 * the main process. The first call (or `becomeDaemon()`, before its chroot) opens the socket, which
 * stays open, close-on-exec. If the manager does not read, the call blocks for five seconds.
 *
 * @param state - see {@link NotifyState}; all properties go into one message.
 * @param opts - see {@link NotifyOptions}.
 * @returns true if the message was queued, which does not mean that the manager accepts it; false,
 *   without any effect, if there is no NOTIFY_SOCKET.
 * @throws `ENOENT`, `ECONNREFUSED`, `EACCES`, `ENAMETOOLONG` (syscall `connect`, with `path`) if no
 *   manager listens there; `ENOTSUP` for a vsock address, `EAFNOSUPPORT` if the variable is not an
 *   address; `EAGAIN` (syscall `sendmsg`) if the manager does not read; `EBADF` for a descriptor
 *   that is not open; `ESRCH` (syscall `pidfd_open`) if there is no process `mainPid`. `TypeError`,
 *   `RangeError` for wrong values and a message of more than 4,096 bytes.
 *
 * Linux. FreeBSD: the same, but without abstract addresses.
 *
 * Source: sd_notify(3). podman, s6 and other managers use the same protocol.
 */
export function notify(state: NotifyState, opts?: NotifyOptions): boolean {
  const message = compose(state);
  const { pid = 0 } = options<NotifyOptions>(opts, ['pid']);
  integer(pid, 'options.pid', 0);
  const text = message.lines.join('\n');
  const size = Buffer.byteLength(text);
  if (size > LONGEST) throw outOfRange('state', `at most ${LONGEST} bytes in all`, size);
  if (openChannel() === undefined) return false;
  const { mainPid } = message;
  if (mainPid === undefined) return send(text, message.fds, pid);
  const pidfd = native.pidfdOpen(mainPid);
  if (pidfd === -constants.errno.ESRCH) throw systemError(pidfd, 'pidfd_open');
  if (pidfd < 0) return send(text, [], pid); // a kernel before 5.3, or FreeBSD
  try {
    // systemd before 257 closes the descriptor and uses the pid.
    return send(`${text}\nMAINPIDFD=1`, [pidfd], pid);
  } finally {
    closeSync(pidfd);
  }
}

function send(text: string, fds: number[], pid: number): boolean {
  return overChannel((fd) => native.notifySend(fd, text, fds, pid)) !== undefined;
}

/**
 * As notify(), but ignores failed calls, because a manager that has ended must not end the daemon.
 * Wrong states throw.
 */
export function tryNotify(state: NotifyState): boolean {
  try {
    return notify(state);
  } catch (error) {
    if ((error as Partial<SystemError>).syscall === undefined) throw error;
    return false;
  }
}

/** Options of {@link notifyBarrier}. */
export interface NotifyBarrierOptions {
  /** Milliseconds to wait, from 1 to 2^31-1. Default: 5000. */
  timeout?: number | undefined;
  /** Ends the wait when it aborts. Default: none. */
  signal?: AbortSignal | undefined;
}

/**
 * Waits until the service manager has read everything that was sent before.
 *
 * Use it in short-lived processes other than the main process: systemd finds the unit of a sender
 * by its pid, which is not possible after the sender has exited.
 *
 * @param opts - see {@link NotifyBarrierOptions}.
 * @returns a promise of true, or of false if there is no NOTIFY_SOCKET.
 * @throws (rejects with) `ETIMEDOUT` (syscall `poll`) after `timeout`, which also happens with
 *   managers that do not know BARRIER=1 and keep the descriptor; an `AbortError` (`ABORT_ERR`, with
 *   the signal's reason as `cause`) if aborted; otherwise as {@link notify}.
 *
 * Source: sd_notify_barrier(3), systemd 246. Linux, FreeBSD.
 */
export async function notifyBarrier(opts?: NotifyBarrierOptions): Promise<boolean> {
  const given = options<NotifyBarrierOptions>(opts, ['timeout', 'signal']);
  const timeout = integer(given.timeout ?? 5000, 'options.timeout', 1);
  const signal = signalIn(given);
  const pipe = overChannel((fd) => {
    expectNode('notifyBarrier()', 'poll');
    return native.notifyBarrier(fd);
  });
  if (pipe === undefined) return false;
  // Nothing is written to the pipe: it becomes readable when its other end is closed.
  if (await readableWithin(pipe, timeout, { owned: true, signal })) return true;
  throw systemError(-ETIMEDOUT, 'poll');
}

/**
 * Returns how often the service manager expects a keep-alive message.
 *
 * @returns the interval in milliseconds, with a fraction, in which the manager expects {@link
 *   notify} `{ watchdog: true }`; send it twice as often. 0 if it expects none, or expects it from
 *   another process (WATCHDOG_PID).
 * @throws nothing; a WATCHDOG_USEC that is not a number above 0 counts as absent.
 *
 * After `becomeDaemon()` the interval applies to the daemon; other forks have none.
 *
 * Source: sd_watchdog_enabled(3); `WatchdogSec=` of systemd.service(5).
 */
export function watchdogInterval(): number {
  const { WATCHDOG_USEC, WATCHDOG_PID } = process.env;
  if (WATCHDOG_PID !== undefined && Number(WATCHDOG_PID) !== process.pid) return 0;
  const usec = Number(WATCHDOG_USEC);
  return Number.isSafeInteger(usec) && usec > 0 ? usec / 1000 : 0;
}

/** Options of {@link startWatchdog}. */
export interface WatchdogOptions {
  /**
   * Returns true if the service is healthy. For any other result, including a promise, and after an
   * error, no message is sent. Default: always healthy.
   */
  healthy?: (() => boolean) | undefined;
}

/**
 * Sends keep-alive messages to the service manager twice per interval, as long as the event loop
 * runs.
 *
 * The timer does not keep the process alive, does nothing in forks, and ignores errors, because a
 * manager that has ended needs no message.
 *
 * @param opts - see {@link WatchdogOptions}.
 * @returns a Disposable that ends it; null if the manager expects no messages, see {@link
 *   watchdogInterval}.
 * @throws `TypeError` for wrong options.
 *
 * Source: sd_watchdog_enabled(3), sd_event_set_watchdog(3).
 */
export function startWatchdog(opts?: WatchdogOptions): Disposable | null {
  const { healthy = () => true } = options<WatchdogOptions>(opts, ['healthy']);
  syncFunc(healthy, 'options.healthy');
  const interval = watchdogInterval();
  if (interval === 0) return null;
  const beginner = native.getpid();
  const ping = () => {
    if (native.getpid() === beginner && watchdogInterval() > 0 && isTrue(healthy))
      tryNotify({ watchdog: true });
  };
  ping();
  const timer = setInterval(ping, Math.min(Math.max(interval / 2, 1), INT_MAX)).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

function isTrue(question: () => boolean): boolean {
  try {
    const answer: unknown = question();
    if (isThenable(answer)) sayUnanswered(answer);
    return answer === true;
  } catch {
    return false;
  }
}

let said = false;

/**
 * A promise is not a valid result. Without a warning the user would not know why the manager ends
 * the service.
 */
function sayUnanswered(answer: PromiseLike<unknown>): void {
  Promise.resolve(answer).catch(() => {});
  if (!said) complain('daemonkit: healthy() returns a promise, which counts as not healthy\n');
  said = true;
}

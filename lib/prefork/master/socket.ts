// The listening sockets of a master's workers: one that all share, or one for each seat. The master
// or its caller opens them, and the master holds them as long as it runs, so that waiting
// connections survive a worker.
import { closeSync, fstatSync } from 'node:fs';
import { native, type Watch } from '../../addon/native.js';
import { watch } from '../../addon/watch.js';
import { check } from '../../base/errors.js';
import { inheritedFollower } from '../../posix/heirlooms.js';
import { type Listener, openFollower, openListener } from '../../posix/listen.js';
import { succession } from '../../system/succession.js';
import type { Listening } from '../plan/listening.js';

interface Held {
  readonly fd: number;
  /**
   * The socket's inode: the caller may have closed the descriptor, and its number may belong to
   * another file.
   */
  readonly inode: bigint | undefined;
}

export class SeatSockets {
  /** The TCP port; 0 without one. */
  readonly port: number;
  /** The socket to close and remove; undefined if it belongs to the caller. */
  readonly #own: Listener | undefined;
  /** Each seat has its own socket, as far as the master could open them. */
  readonly #grows: boolean;
  readonly #backlog: number;
  readonly #held: Held[] = [];
  /**
   * The sockets that get new connections, as indexes into {@link #held}; undefined: all, as the
   * kernel decides.
   */
  #steered: string | undefined;
  /** Watches for removed seats. */
  readonly #watches = new Map<number, Watch>();

  /** @throws the error of opening a socket; then all are closed. */
  constructor({ listen, given, balance, backlog }: Listening, seats: number) {
    this.#grows = balance === 'reuseport' && listen !== undefined;
    this.#backlog = backlog;
    this.#own = listen && openListener(listen, this.#grows);
    // The steering of the predecessor is unknown.
    if (succession.onTrial) this.#steered = '';
    const fds = this.#own === undefined ? given : [this.#own.fd];
    for (const fd of fds) this.#hold(fd);
    try {
      this.port = fds[0] === undefined ? 0 : check(native.localPort(fds[0]), 'getsockname');
      this.#open(seats);
    } catch (error) {
      this.close(() => {});
      throw error;
    }
  }

  /**
   * The socket of a seat; undefined if there are no sockets. Seats without their own socket share
   * one.
   */
  of(seat: number): number | undefined {
    const { length } = this.#held;
    return length === 0 ? undefined : this.#held[(seat - 1) % length]?.fd;
  }

  /**
   * Opens the missing socket of a new seat.
   *
   * @throws the error of listen, for example for a port below 1024 after dropping root. Then the
   *   seat shares a socket.
   */
  provide(seat: number): void {
    if (!this.#grows || this.#held.length >= seat) return;
    // No connection must wait there until a worker serves it.
    this.#steered ?? this.#steer(this.#numbers());
    this.#open(seat);
  }

  /**
   * From now on new connections go to these seats, if each has its own socket. A kernel that cannot
   * do this still spreads them over all.
   */
  steer(seats: readonly number[]): void {
    // The predecessor serves all sockets until the upgrade has succeeded.
    if (seats.length === 0 || succession.onTrial) return;
    if (!this.#grows) {
      this.#gather();
      return;
    }
    const numbers = seats.map((seat) => (seat - 1) % this.#held.length);
    const wanted = [...new Set(numbers)].sort((a, b) => a - b);
    if (this.#steered === undefined && wanted.length === this.#held.length) return;
    if (wanted.join() !== this.#steered) this.#steer(wanted);
  }

  /**
   * Watches the queues of removed seats, for connections that came before the removal or are in the
   * middle of their handshake. Skips queues that a worker serves.
   */
  attend(seats: number, served: readonly number[], tell: (seat: number) => void): void {
    if (!this.#grows || succession.onTrial) return;
    this.#held.forEach(({ fd }, at) => {
      const seat = at + 1;
      if (seat <= seats || served.includes(seat)) this.#leaveAlone(seat);
      else if (!this.#watches.has(seat)) this.#attendOne(seat, fd, tell);
    });
  }

  /** Closes at once: waiting connections are refused instead of waiting for workers that end. */
  close(onError: (error: Error) => void): void {
    this.#attendNone();
    if (this.#own === undefined) return;
    try {
      this.#own.unlink();
    } catch (error) {
      // A directory that has become read-only must not prevent the end.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') onError(error as Error);
    } finally {
      for (const { fd } of this.#held) closeSync(fd);
    }
  }

  /**
   * In a fork of the master: closes the sockets.
   *
   * @param worker - of this or another master: it does not need the caller's sockets either.
   * @param kept - the socket that it serves.
   */
  leave(worker: boolean, kept?: number): void {
    this.#attendNone();
    if (!worker && this.#own === undefined) return;
    for (const { fd, inode } of this.#held) if (fd !== kept && inodeOf(fd) === inode) closeSync(fd);
  }

  #attendOne(seat: number, fd: number, tell: (seat: number) => void): void {
    const waits = () => {
      this.#leaveAlone(seat);
      tell(seat);
    };
    try {
      this.#watches.set(seat, watch(fd, waits, false));
    } catch {
      // The event loop's epoll has no memory for it: the next event tries again.
    }
  }

  #leaveAlone(seat: number): void {
    this.#watches.get(seat)?.close();
    this.#watches.delete(seat);
  }

  #attendNone(): void {
    for (const seat of [...this.#watches.keys()]) this.#leaveAlone(seat);
  }

  #open(seats: number): void {
    const [first] = this.#held;
    if (!this.#grows || first === undefined) return;
    // All sockets of a predecessor, even if it had more seats: it answers waiting connections
    // before it ends.
    for (;;) {
      const further = inheritedFollower(first.fd);
      if (further === undefined) break;
      this.#hold(further);
    }
    if (this.#held.length >= seats) return;
    // A connection to a new socket would be lost if this upgrade failed.
    const theirs = this.#numbers();
    const keep = () => succession.onTrial && native.steer(first.fd, theirs);
    keep();
    while (this.#held.length < seats) {
      this.#hold(openFollower(first.fd, this.#backlog));
      // A single socket becomes a group only now.
      keep();
    }
  }

  /**
   * Each worker of the predecessor had its own queue, which ends with it; here all share the first
   * one. From now on new connections go to that one, while those workers still serve their queues.
   */
  #gather(): void {
    if (this.#steered === '' && this.#own !== undefined) this.#steer([0]);
  }

  #numbers(): number[] {
    return this.#held.map((_, at) => at);
  }

  #hold(fd: number): void {
    this.#held.push({ fd, inode: inodeOf(fd) });
  }

  #steer(numbers: readonly number[]): void {
    const [first] = this.#held;
    if (first === undefined) return;
    native.steer(first.fd, numbers);
    this.#steered = numbers.join();
  }
}

function inodeOf(fd: number): bigint | undefined {
  try {
    return fstatSync(fd, { bigint: true }).ino;
  } catch {
    return undefined;
  }
}

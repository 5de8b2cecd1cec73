// The listening sockets of a master's workers: one that all share, or one for each seat. The master opens
// them, or its caller has, and holds them as long as it runs: what waits in a queue outlives the worker.
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
  /** Which socket it is: the caller may have closed his by now, and the number be another file's. */
  readonly inode: bigint | undefined;
}

export class SeatSockets {
  /** The TCP port; 0 without one. */
  readonly port: number;
  /** What to close and to remove; undefined if it is the caller's. */
  readonly #own: Listener | undefined;
  /** Each seat has one of its own, as far as the master could open them. */
  readonly #grows: boolean;
  readonly #backlog: number;
  readonly #held: Held[] = [];
  /** Those that new connections go to, as numbers of {@link #held}; undefined: all, as the kernel has it. */
  #steered: string | undefined;
  /** At seats that are no more. */
  readonly #watches = new Map<number, Watch>();

  /** @throws what a socket of any seat cannot be opened for; then none is left. */
  constructor({ listen, given, balance, backlog }: Listening, seats: number) {
    this.#grows = balance === 'reuseport' && listen !== undefined;
    this.#backlog = backlog;
    this.#own = listen && openListener(listen, this.#grows);
    // By whatever program the predecessor has left with them.
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

  /** The socket of a seat; undefined if there are none. Seats without one of their own share. */
  of(seat: number): number | undefined {
    const { length } = this.#held;
    return length === 0 ? undefined : this.#held[(seat - 1) % length]?.fd;
  }

  /**
   * Opens what a new seat lacks.
   *
   * @throws what listen says: a port below 1024 after root was left. Then the seat shares another's.
   */
  provide(seat: number): void {
    if (!this.#grows || this.#held.length >= seat) return;
    // Until somebody serves it, nothing shall wait there.
    this.#steered ?? this.#steer(this.#numbers());
    this.#open(seat);
  }

  /**
   * New connections go to these seats from now on, where each has a socket of its own. A kernel that
   * cannot do that goes on to spread them over all.
   */
  steer(seats: readonly number[]): void {
    // The predecessor goes on to serve all of them, until it is sure that it may go.
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
   * Watches the queues beyond so many seats: what came before they were given up, or is in the middle of its
   * handshake. Those that somebody serves are left alone.
   */
  attend(seats: number, served: readonly number[], tell: (seat: number) => void): void {
    if (!this.#grows || succession.onTrial) return;
    this.#held.forEach(({ fd }, at) => {
      const seat = at + 1;
      if (seat <= seats || served.includes(seat)) this.#leaveAlone(seat);
      else if (!this.#watches.has(seat)) this.#attendOne(seat, fd, tell);
    });
  }

  /** At once: what still waits in a queue is refused, not left waiting for workers that go. */
  close(onError: (error: Error) => void): void {
    this.#attendNone();
    if (this.#own === undefined) return;
    try {
      this.#own.unlink();
    } catch (error) {
      // A directory that has become read-only is no reason not to end.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') onError(error as Error);
    } finally {
      for (const { fd } of this.#held) closeSync(fd);
    }
  }

  /**
   * In a copy of the master: it holds the sockets no more.
   *
   * @param worker - of this or another master: it has no use for those of the caller, either.
   * @param kept - the one it serves.
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
      // The event loop's epoll has no memory for it: it is tried again whenever something happens.
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
    // All of a predecessor's, also if it had more seats: what waits there is answered before it goes.
    for (;;) {
      const further = inheritedFollower(first.fd);
      if (further === undefined) break;
      this.#hold(further);
    }
    if (this.#held.length >= seats) return;
    // What comes to a new one would be lost if this program were not to take the predecessor's place.
    const theirs = this.#numbers();
    const keep = () => succession.onTrial && native.steer(first.fd, theirs);
    keep();
    while (this.#held.length < seats) {
      this.#hold(openFollower(first.fd, this.#backlog));
      // One that was alone is a group of sockets only now.
      keep();
    }
  }

  /**
   * A predecessor's workers had a queue each, which end with it, and here all share the first. New connections come
   * to that one from now on, while those workers still serve theirs.
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

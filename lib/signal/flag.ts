// Signal flags: sigaction(2) with the self-pipe trick, readable without the event loop.

import { type InspectOptionsStylized, inspect } from 'node:util';
import { isMainThread } from 'node:worker_threads';
import { expectNode } from '../addon/host.js';
import { native, type Watch } from '../addon/native.js';
import { watch } from '../addon/watch.js';
import { type Abortable, Waits, waitSignal } from '../base/abort.js';
import { abortError, check, invalidState, workerUnsupported } from '../base/errors.js';
import { shown } from '../base/shown.js';
import { abortSignal, options } from '../base/validate.js';
import { catchableSignal, type Signal, signalList } from '../system/signal-numbers.js';
import { SignalEvents } from './events.js';
import type { SignalEvent } from './published.js';
import { SignalRecords } from './records.js';

// Held until dispose(): the handler writes to a flag's memory even when nobody refers to it.
const open = new Set<SignalFlag>();

/**
 * A flag that a signal raises, without the event loop: a busy loop can end by it.
 *
 * ```ts
 * using timeToDie = new SignalFlag('SIGTERM');
 * while (!timeToDie.raised) work();
 * ```
 *
 * The handler, in native code, sets a word of memory and writes a record to a non-blocking pipe.
 * A full pipe drops the record, never the flag nor the count. While it exists, the signal's default
 * action and Node's own handler (the end by SIGINT and SIGTERM, the debugger by SIGUSR1) do not
 * happen; `process.on()` listeners for the signal, native handlers and other flags all go on
 * working, whichever came first and whichever ends first. Instances that are not disposed stay
 * until the process ends.
 *
 * A flag by itself does not keep the process alive; {@link wait} and iteration do, while they wait.
 *
 * After {@link fork} the child has the flag as it was, raised or not, with its own memory and pipe:
 * from then on each process's flag records that process's signals only.
 *
 * Standard signals do not queue: what comes while the same signal is pending or its handler runs
 * is one delivery. Real-time signals do.
 *
 * Source: sigaction(2), signal-safety(7), signal(7); POSIX.1. FreeBSD has no signals 32 and 33 and
 * more real-time ones.
 */
export class SignalFlag implements AsyncIterable<SignalEvent>, Disposable {
  readonly #id: number;
  readonly #view: Int32Array<SharedArrayBuffer>;
  readonly #records: SignalRecords;
  #watch: Watch | undefined;
  readonly #waits = new Waits<SignalEvent>(() => this.#refresh());
  /** The iterations under way. */
  readonly #loops = new Set<SignalEvents>();
  #abort: AbortController | undefined;
  #keepAlive: boolean | undefined;
  #disposed = false;

  /**
   * @param signals - a signal's name (`SIGTERM`, `SIGRTMIN+2`, `SIGRTMAX-1`) or number, or an array
   *   of them. SIGCHLD is allowed and leaves `node:child_process` its own; SIGPIPE is too, and
   *   writes go on failing with `EPIPE`.
   * @throws `TypeError` (`ERR_INVALID_ARG_TYPE`) for what is neither, (`ERR_INVALID_ARG_VALUE`) for
   *   an empty array, an unknown name and signals that must not be caught: SIGKILL and SIGSTOP,
   *   the faults SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP and SIGSYS, V8's SIGPROF, and those
   *   between 31 and SIGRTMIN, which are the C library's. `RangeError` (`ERR_OUT_OF_RANGE`) for a
   *   number that is not a signal's. `ERR_WORKER_UNSUPPORTED_OPERATION` in a Worker: handlers
   *   belong to the process. `EMFILE`, `ENFILE` (syscall `pipe2`).
   */
  constructor(signals: Signal | readonly Signal[]) {
    const numbers = signalList(signals, 'signals', catchableSignal);
    if (!isMainThread) throw workerUnsupported('SignalFlag');
    expectNode('SignalFlag', 'sigaction');
    this.#view = new Int32Array(new SharedArrayBuffer(4 * (1 + numbers.length)));
    this.#id = check(native.signalFlagOpen(this.#view, Int32Array.from(numbers)), 'pipe2');
    this.#records = new SignalRecords(this.#id, numbers, this.#view);
    open.add(this);
  }

  /**
   * Whether one of the signals has come since the flag was made or last cleared. Reads a word of
   * memory: no system call, no turn of the event loop. Stays readable after dispose().
   */
  get raised(): boolean {
    // Not Atomics.load(), which is a call of 13 ns in V8: an element of a shared array is read
    // from memory each time, in optimized code too.
    return this.#view[0] !== 0;
  }

  /**
   * The memory that the handler writes: `[0]` is 1 once raised, `[1 + i]` counts the i-th signal
   * (in the order given, without repetitions; wraps at 2^32). Its buffer is a SharedArrayBuffer, so
   * a Worker that is given it sees the signal too: read it with `Atomics.load()`. Writing to it is
   * clearing or raising the flag unseen; no waiter wakes, so `Atomics.wait()` needs a timeout.
   */
  // Not as Int32Array<SharedArrayBuffer>, which TypeScript has from 5.7 on only.
  get view(): Int32Array & { readonly buffer: SharedArrayBuffer } {
    return this.#view;
  }

  /**
   * The read end of the self-pipe, for poll(2) by other code: readable once a signal has come, and
   * no more after clear(); look at {@link raised} between clear() and the next poll. Do not read
   * from it, and do not mix it with wait(), iteration or `signal`, which empty it by themselves.
   *
   * @throws `ERR_INVALID_STATE` after dispose().
   */
  get fd(): number {
    this.#check();
    return native.signalFlagFd(this.#id);
  }

  /**
   * Lowers the flag, and drops the events that have not been iterated over yet; those stay while an
   * iteration is under way. The counts go on. A signal that comes meanwhile raises it again.
   *
   * @throws `ERR_INVALID_STATE` after dispose().
   */
  clear(): void {
    this.#check();
    const before = this.#records.counts();
    Atomics.store(this.#view, 0, 0);
    // For one that came between these two lines.
    if (this.#records.counts().some((count, i) => count !== before[i])) {
      Atomics.store(this.#view, 0, 1);
    }
    if (this.#loops.size === 0) this.#records.forget(before);
    // Its wake-up may just have been drained.
    if (this.raised) this.#notify();
  }

  /**
   * Waits, through the event loop, until the flag is raised; at once if it is. Does not clear it.
   *
   * @param waitOptions - `signal`: an AbortSignal that ends the wait.
   * @returns the latest delivery.
   * @throws (rejects) `AbortError` (`ABORT_ERR`, `cause` the reason) when aborted, and when the flag
   *   is disposed while waiting; `ERR_INVALID_STATE` after that; `TypeError` for wrong options;
   *   `EMFILE` and such (syscall `poll`) if the event loop cannot watch the pipe.
   */
  async wait(waitOptions?: Abortable): Promise<SignalEvent> {
    const signal = waitSignal(waitOptions);
    this.#check();
    if (this.raised) return this.#records.latest();
    this.#listen();
    return this.#waits.add(signal);
  }

  /**
   * An AbortSignal that aborts (through the event loop) when the flag is raised, at once if it is;
   * its reason is an `AbortError` that names the signal. It does not keep the process alive. After
   * clear() an aborted one is replaced by a new one.
   *
   * @throws `ERR_INVALID_STATE` after dispose(), which does not abort it; as wait() if the event
   *   loop cannot watch the pipe.
   */
  get signal(): AbortSignal {
    this.#check();
    if (this.#abort === undefined || (this.#abort.signal.aborted && !this.raised)) {
      this.#listen();
      this.#abort = new AbortController();
    }
    if (this.raised) this.#abortNow();
    return this.#abort.signal;
  }

  /**
   * The deliveries since the flag was made or cleared, and then as they come, until dispose().
   * Does not lower the flag. Signals handled by two threads at once may come in either order. Loops
   * over one flag share its events. At most 1,024 events wait for a slow loop, besides those in the
   * pipe; beyond that some are left out, which shows as a gap in `count`, but the last `count` of each
   * signal always comes.
   *
   * Leaving the loop, or the iterator's return(), ends a next() that is pending.
   *
   * @param loopOptions - `signal`: an AbortSignal that ends the iteration.
   * @returns an iterator, whose next() is rejected with an `AbortError` (`ABORT_ERR`, `cause` the reason)
   *   when aborted, with `ERR_INVALID_STATE` if the flag was disposed before the first one, and as
   *   wait() if the event loop cannot watch the pipe; afterwards it is done.
   * @throws `TypeError` for wrong options.
   */
  events(loopOptions?: Abortable): AsyncIterableIterator<SignalEvent> & AsyncDisposable {
    const given = options<Abortable>(loopOptions, ['signal']);
    if (given.signal !== undefined) abortSignal(given.signal);
    return new SignalEvents(
      {
        begin: (loop) => {
          this.#check();
          this.#loops.add(loop);
        },
        take: () => this.#records.take(),
        listen: () => this.#listen(),
        changed: () => this.#refresh(),
        end: (loop) => {
          this.#loops.delete(loop);
          this.#refresh();
        },
      },
      { ...given },
    );
  }

  /** As {@link events} without options. */
  [Symbol.asyncIterator](): AsyncIterableIterator<SignalEvent> & AsyncDisposable {
    return this.events();
  }

  /** Keeps the process alive from now on until dispose(), waited for or not. */
  ref(): this {
    this.#check();
    this.#listen();
    this.#keepAlive = true;
    this.#refresh();
    return this;
  }

  /** Never keeps the process alive from now on, not even by wait() or iteration. */
  unref(): this {
    this.#check();
    this.#keepAlive = false;
    this.#refresh();
    return this;
  }

  /**
   * Takes the flag off its signals and closes its pipe. With the last flag of a signal, what was
   * there before comes back: the handler, the default action or SIG_IGN; `process.on()` listeners
   * go on. Waits are rejected, iterations end. A second call does nothing.
   */
  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#watch?.close();
    native.signalFlagClose(this.#id);
    open.delete(this);
    const gone = abortError(AbortSignal.abort(invalidState('the SignalFlag was disposed')));
    this.#waits.reject(gone);
    for (const loop of this.#loops) loop.end();
  }

  /** @internal */
  [inspect.custom](depth: number, options: InspectOptionsStylized): string {
    const disposed = this.#disposed || undefined;
    const state = { raised: this.raised, counts: this.#records.tally(), disposed };
    return shown(this, state, depth, options);
  }

  #check(): void {
    if (this.#disposed) throw invalidState('the SignalFlag is disposed');
  }

  /** Has the event loop watch the pipe. It goes on until dispose(): it holds up nobody. */
  #listen(): void {
    if (this.#watch !== undefined) return;
    this.#watch = watch(this.fd, (status) => this.#onReadable(status), false);
  }

  /** Whether the process stays alive: as ref() or unref() said, else while somebody waits. */
  #refresh(): void {
    if (this.#disposed) return;
    const waits = this.#waits.size > 0 || [...this.#loops].some((loop) => loop.waits);
    const keep = this.#keepAlive ?? waits;
    if (keep) this.#watch?.ref();
    else this.#watch?.unref();
  }

  #onReadable(status: number): void {
    check(status, 'poll');
    this.#records.pull();
    this.#notify();
  }

  #notify(): void {
    if (this.raised) {
      this.#waits.resolve(this.#records.latest());
      this.#abortNow();
    }
    for (const loop of this.#loops) loop.pump();
  }

  #abortNow(): void {
    if (this.#abort === undefined || this.#abort.signal.aborted) return;
    const { signal } = this.#records.latest();
    this.#abort.abort(new DOMException(`${signal} was caught`, 'AbortError'));
  }
}

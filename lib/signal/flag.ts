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

// Flags are kept until dispose(): the handler writes to a flag's memory even if the program has no
// reference to it.
const open = new Set<SignalFlag>();

/**
 * A flag that a signal raises without the event loop, so that even a busy loop can read it.
 *
 * ```ts
 * using timeToDie = new SignalFlag('SIGTERM');
 * while (!timeToDie.raised) work();
 * ```
 *
 * The handler, in native code, sets a word of memory and writes a record to a non-blocking pipe. A
 * full pipe drops the record, never the flag nor the count. While it exists, the signal's default
 * action and Node's own handler (the end by SIGINT and SIGTERM, the debugger by SIGUSR1) do not
 * run. `process.on()` listeners for the signal, native handlers and other flags keep working, in
 * any order of installation and removal. A flag that is not disposed stays until the process ends.
 *
 * A flag by itself does not keep the process alive; {@link wait} and iteration do, while they wait.
 *
 * After {@link fork} the child has the flag in the same state, with its own memory and pipe. From
 * then on each flag records only the signals of its own process.
 *
 * Standard signals do not queue: signals that come while the same signal is pending, or its handler
 * runs, are one delivery. Real-time signals queue.
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
  /** The running iterations. */
  readonly #loops = new Set<SignalEvents>();
  #abort: AbortController | undefined;
  #keepAlive: boolean | undefined;
  #disposed = false;

  /**
   * @param signals - a signal's name (`SIGTERM`, `SIGRTMIN+2`, `SIGRTMAX-1`) or number, or an array
   *   of them. SIGCHLD is allowed, and `node:child_process` keeps working. SIGPIPE is allowed too,
   *   and writes still fail with `EPIPE`.
   * @throws `TypeError` (`ERR_INVALID_ARG_TYPE`) for other types, (`ERR_INVALID_ARG_VALUE`) for an
   *   empty array, an unknown name and signals that must not be caught: SIGKILL and SIGSTOP, the
   *   faults SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP and SIGSYS, V8's SIGPROF, and those between
   *   31 and SIGRTMIN, which the C library uses. `RangeError` (`ERR_OUT_OF_RANGE`) for a number
   *   that is not a signal. `ERR_WORKER_UNSUPPORTED_OPERATION` in a Worker: handlers belong to the
   *   process. `EMFILE`, `ENFILE` (syscall `pipe2`).
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
   * Whether one of the signals has arrived since the flag was made or last cleared. Reads a word of
   * memory, without a system call or the event loop. It stays readable after dispose().
   */
  get raised(): boolean {
    // Not Atomics.load(), which takes 13 ns in V8. V8 reads an element of a shared array from
    // memory each time, even in optimized code.
    return this.#view[0] !== 0;
  }

  /**
   * The memory that the handler writes: `[0]` is 1 once raised, `[1 + i]` counts the i-th signal
   * (in the order given, without repetitions; wraps at 2^32). Its buffer is a SharedArrayBuffer, so
   * a Worker that receives it sees the signal too: read it with `Atomics.load()`. Writing to it
   * clears or raises the flag without waking waits, so `Atomics.wait()` needs a timeout.
   */
  // Not Int32Array<SharedArrayBuffer>, which needs TypeScript 5.7.
  get view(): Int32Array & { readonly buffer: SharedArrayBuffer } {
    return this.#view;
  }

  /**
   * The read end of the self-pipe, for poll(2) by other code. It is readable after a signal has
   * arrived, until clear(). Check {@link raised} between clear() and the next poll. Do not read
   * from it, and do not combine it with wait(), iteration or `signal`, which empty the pipe.
   *
   * @throws `ERR_INVALID_STATE` after dispose().
   */
  get fd(): number {
    this.#check();
    return native.signalFlagFd(this.#id);
  }

  /**
   * Lowers the flag, and drops events that no iteration has read; during an iteration they stay.
   * The counts continue. A signal that arrives during the call raises the flag again.
   *
   * @throws `ERR_INVALID_STATE` after dispose().
   */
  clear(): void {
    this.#check();
    const before = this.#records.counts();
    Atomics.store(this.#view, 0, 0);
    // For a signal that arrived between these two lines.
    if (this.#records.counts().some((count, i) => count !== before[i])) {
      Atomics.store(this.#view, 0, 1);
    }
    if (this.#loops.size === 0) this.#records.forget(before);
    // Its wake-up may have been drained.
    if (this.raised) this.#notify();
  }

  /**
   * Waits through the event loop until the flag is raised; resolves at once if it is. Does not
   * clear it.
   *
   * @param waitOptions - `signal`: an AbortSignal that ends the wait.
   * @returns the latest delivery.
   * @throws (rejects) `AbortError` (`ABORT_ERR`, with the signal's reason as `cause`) if aborted,
   *   and if the flag is disposed during the wait; `ERR_INVALID_STATE` after that; `TypeError` for
   *   wrong options; `EMFILE` and others (syscall `poll`) if the event loop cannot watch the pipe.
   */
  async wait(waitOptions?: Abortable): Promise<SignalEvent> {
    const signal = waitSignal(waitOptions);
    this.#check();
    if (this.raised) return this.#records.latest();
    this.#listen();
    return this.#waits.add(signal);
  }

  /**
   * An AbortSignal that aborts (through the event loop) when the flag is raised, at once if it is
   * raised already. Its reason is an `AbortError` that names the signal. It does not keep the
   * process alive. After clear() this property returns a new one.
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
   * Iterates over the deliveries since the flag was made or cleared, and then over new ones, until
   * dispose(). Does not lower the flag. Signals that two threads handle at once may come in either
   * order. Loops over one flag share its events. At most 1,024 events wait for a slow loop, besides
   * those in the pipe. Beyond that events are dropped, which shows as a gap in `count`; the last
   * `count` of each signal always comes.
   *
   * Leaving the loop, or the iterator's return(), ends a next() that is pending.
   *
   * @param loopOptions - `signal`: an AbortSignal that ends the iteration.
   * @returns an iterator. Its next() is rejected with an `AbortError` (`ABORT_ERR`, with the
   *   signal's reason as `cause`) if aborted, with `ERR_INVALID_STATE` if the flag was disposed
   *   before the first call, and as wait() if the event loop cannot watch the pipe; then the
   *   iterator is done.
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

  /** From now on keeps the process alive until dispose(), even without a wait. */
  ref(): this {
    this.#check();
    this.#listen();
    this.#keepAlive = true;
    this.#refresh();
    return this;
  }

  /** From now on never keeps the process alive, not even during wait() or iteration. */
  unref(): this {
    this.#check();
    this.#keepAlive = false;
    this.#refresh();
    return this;
  }

  /**
   * Removes the flag from its signals and closes its pipe. After the last flag of a signal, the
   * former state is restored: the handler, the default action or SIG_IGN. `process.on()` listeners
   * keep working. Waits are rejected, iterations end. A second call does nothing.
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

  /**
   * Makes the event loop watch the pipe until dispose(). The watch alone does not keep the process
   * alive.
   */
  #listen(): void {
    if (this.#watch !== undefined) return;
    this.#watch = watch(this.fd, (status) => this.#onReadable(status), false);
  }

  /**
   * Updates whether the flag keeps the process alive: by ref() or unref(), otherwise while a wait
   * is pending.
   */
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

// State of the runtime that a copy of a process must not keep: refreshed in the child of fork().
import type { ChildProcess } from 'node:child_process';
import { randomInt, randomUUID } from 'node:crypto';
import { subscribe } from 'node:diagnostics_channel';
import { url as inspectorUrl } from 'node:inspector';
import { constants } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Worker } from 'node:worker_threads';
import { systemError } from './errors.js';
import { native } from './native.js';
import { system } from './system.js';

/** The part of a libuv handle's wrapper that is needed to silence it. */
interface Handle {
  reading?: boolean;
  readStop?(): void;
  close?(): void;
  unref?(): void;
}

/** Objects of one kind that were announced on a diagnostics channel and may still be in use. */
class Announced<T extends object> {
  #refs: WeakRef<T>[] = [];
  #prune = 64;

  constructor(channel: string, key: string) {
    subscribe(channel, (message) => {
      this.#refs.push(new WeakRef((message as Record<string, T>)[key] as T));
      if (this.#refs.length < this.#prune) return;
      this.#refs = this.#refs.filter((ref) => ref.deref() !== undefined);
      this.#prune = 2 * this.#refs.length + 64;
    });
  }

  all(): T[] {
    return this.#refs.map((ref) => ref.deref()).filter((object) => object !== undefined);
  }
}

const workers = new Announced<Worker>('worker_threads', 'worker');
const childProcesses = new Announced<ChildProcess>('child_process', 'process');

/** How many Workers run that were made since daemonkit was loaded. */
export function liveWorkers(): number {
  return workers.all().filter((worker) => worker.threadId !== -1).length;
}

/** process.pid is a plain property that was filled at start-up. */
function refreshPid(): void {
  const pid = native.getpid();
  Object.defineProperty(process, 'pid', {
    value: pid,
    writable: false,
    enumerable: true,
    configurable: true,
  });
}

/**
 * randomUUID() and randomInt() hand out entropy drawn in advance: 128 UUIDs and 1,024 integers
 * (lib/internal/crypto/random.js, kBatchSize and randomCache). Drawing as many empties them.
 */
function refreshCryptoCaches(): void {
  for (let i = 0; i < 128; i++) randomUUID();
  for (let i = 0; i <= 1024; i++) randomInt(2);
}

/**
 * A Math.random with a sequence of its own. V8 seeds a context's generator when it is first used,
 * from --random-seed if that is set; nothing else reaches the state of an existing context. The
 * 31 bits of the flag are widened by skipping a random number of values.
 */
function seededRandom(): () => number {
  const seed = randomInt(1, 2 ** 31);
  setFlagsFromString(`--random-seed=${seed}`);
  const random = runInNewContext('Math.random') as () => number;
  random();
  setFlagsFromString('--random-seed=0');
  for (let skip = randomInt(4096); skip > 0; skip--) random();
  return random;
}

/** A new context costs a millisecond, so it is made at the first use. */
function refreshMathRandom(): void {
  const install = (value: () => number) =>
    Object.defineProperty(Math, 'random', {
      value,
      writable: true,
      enumerable: false,
      configurable: true,
    });
  install(function random() {
    const seeded = seededRandom();
    install(seeded);
    return seeded();
  });
}

function silence(handle: Handle | null | undefined): void {
  if (!handle) return;
  handle.readStop?.();
  handle.reading = false;
  handle.unref?.();
}

function handleOf(object: unknown): Handle | undefined {
  return (object as { _handle?: Handle } | null | undefined)?._handle;
}

function channelHandle(target: object): Handle | undefined {
  const key = Object.getOwnPropertySymbols(target).find((s) => s.description === 'kChannelHandle');
  return key && (target as Record<symbol, Handle | undefined>)[key];
}

/**
 * The parent's child processes are no children of ours: their objects would never fire and keep
 * the event loop alive, and their pipes belong to the parent, which must not lose what they say.
 */
function releaseChildProcesses(): void {
  const active = (process as unknown as { _getActiveHandles(): object[] })._getActiveHandles();
  const early = active.filter((h) => h.constructor?.name === 'ChildProcess') as ChildProcess[];
  for (const child of new Set([...childProcesses.all(), ...early])) {
    silence(handleOf(child));
    silence(channelHandle(child));
    for (const stream of child.stdio ?? []) silence(handleOf(stream));
  }
}

/** The IPC channel to the parent's parent: closed without a word, which would speak for both. */
function closeChannel(): void {
  if (!process.channel) return;
  const handle = channelHandle(process);
  silence(handle);
  handle?.close?.();
  const target = process as { channel?: unknown; connected: boolean };
  target.channel = null;
  target.connected = false;
}

/**
 * The descriptors of the debugger's sockets, which stay with the parent. The inspector runs on a
 * thread of its own and tells nothing but its address, so they are found by its port.
 */
export function inspectorSockets(): number[] {
  const address = inspectorUrl();
  return address === undefined ? [] : system.socketsAtPort(Number(new URL(address).port));
}

/** Options of Node that make it read certificates on a thread of its own while it starts. */
const READS_CERTIFICATES = /^--use-(system|openssl)-ca$/;
let starting = true;

/**
 * Node 22 and later read NODE_EXTRA_CA_CERTS on a thread of their own while the program starts. A
 * fork in the middle of that would leave two threads reading one file with one offset, each getting
 * half of it; so the first fork of a young process lets that thread finish.
 */
export function awaitStartup(): void {
  if (!starting) return;
  starting = false;
  const options = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? '').split(/\s+/)];
  const reads =
    process.env.NODE_EXTRA_CA_CERTS || options.some((option) => READS_CERTIFICATES.test(option));
  if (reads && process.uptime() < 10) native.quiesce(2000);
}

/** In the child, before any of the user's code runs. */
export function refreshChild(): void {
  refreshPid();
  refreshCryptoCaches();
  refreshMathRandom();
  releaseChildProcesses();
  closeChannel();
}

const SETTERS = ['setuid', 'setgid', 'seteuid', 'setegid', 'setgroups', 'initgroups'] as const;

/**
 * Threads that were busy when the process was forked keep their parent's ids in libc's records
 * until they are seen waiting. Only libc's own calls to other threads miss them meanwhile: of
 * those Node makes one kind, the changes of user and group, which must not pass a thread by.
 */
export function adoptThreadIds(): void {
  if (native.idsAdopted()) return;
  type Setter = (...args: unknown[]) => unknown;
  const setters = process as unknown as Record<(typeof SETTERS)[number], Setter>;
  const originals = SETTERS.map((name) => [name, setters[name]] as const);
  const restore = () => {
    for (const [name, original] of originals) setters[name] = original;
  };
  for (const [name, original] of originals) {
    setters[name] = (...args) => {
      adoptThreadIdsNow();
      restore();
      return original.apply(process, args);
    };
  }
  const retry = (delay: number) => {
    setTimeout(() => {
      if (native.idsAdopted() || native.quiesce(0)) restore();
      else retry(Math.min(2 * delay, 100));
    }, delay).unref();
  };
  retry(1);
}

/** Waits, blocking, until the child's threads have their ids; throws EAGAIN after ten seconds. */
export function adoptThreadIdsNow(): void {
  if (native.idsAdopted() || native.quiesce(10_000)) return;
  throw systemError(-constants.errno.EAGAIN, 'fork', {
    detail: 'threads of the pool are still busy after fork()',
  });
}

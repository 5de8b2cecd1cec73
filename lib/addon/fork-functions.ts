// The types of the addon's functions for fork() and the refresh of a child.
export interface ForkFailure {
  errno: number;
  syscall?: string;
  reason?: string;
}

/** The pid, 0 in the child; or why there is no child. */
export type Forked = number | ForkFailure;

/** What the launcher has waited for. */
export interface Launched {
  pid: number;
  outcome: [how: number, code: number, signal: number, text: string];
}

export interface ForkFunctions {
  /** `workers`: Worker threads run; their loops may hold what no watcher uses any more. */
  fork(timeout: number, workers: boolean): Forked;
  /**
   * A fork that moves the process: the parent waits natively for the daemon, and exits when the
   * daemon is ready.
   */
  launch(
    timeout: number,
    close: number[],
    channel: number,
    relay: number,
    log: number,
    birthTimeout: number,
    notify: number,
    farewell: [fd: number, before: string, after: string],
  ): Forked | Launched;
  /** As launch(), for the process between: it announces its child on `channel` and exits. */
  step(timeout: number, channel: number): Forked;
  forkObstacles(): string[];
  quiesce(patience: number): boolean;
  idsAdopted(): boolean;
  /** Whether V8's heap shows the generator behind Math.random, and the caches of node:crypto. */
  entropyFound(
    mathRandom: () => number,
    randomUUID: () => string,
  ): [generator: boolean, caches: boolean];
  /**
   * Reseeds the generators that were found; null leaves one out. False if the system has no random
   * numbers.
   */
  refreshEntropy(mathRandom: (() => number) | null, randomUUID: (() => string) | null): boolean;
  /** The array from which randomInt() takes its numbers. */
  randomIntCache(randomInt: typeof import('node:crypto').randomInt): Buffer | undefined;
  fillRandom(array: Uint8Array | Uint16Array): boolean;
  /** How many child processes the event loop waits for. */
  processHandles(): number;
  /** The event loop then waits for none of them, and kills none. */
  disownProcesses(): void;
  /**
   * An External of struct daemonkit_interface, cpp/include/daemonkit.h. With `others`, this copy
   * uses the interface of that other copy from then on.
   */
  forkInterface(others: object | undefined): object;
  adoptIds(patience: number): boolean;
  /**
   * Begins a change of users by libc. From now on libc leaves the other threads to followCaller().
   */
  beginChange(): void;
  endChange(): void;
  /** 0, or -errno. */
  followCaller(timeout: number): number;
}

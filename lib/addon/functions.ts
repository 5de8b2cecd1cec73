// The types of the addon's functions. lib/ checks the arguments; a failed call returns -errno.
import type { ForkFunctions } from './fork-functions.js';

export type { Forked } from './fork-functions.js';

/** A descriptor on the event loop. close() may be called twice, and from within the callback. */
export interface Watch {
  close(): void;
  ref(): void;
  unref(): void;
}

/** A child's change of state. The code is -1 and the signal 0 where they do not apply. */
export interface Waited {
  pid: number;
  exitCode: number;
  signal: number;
  stopped: boolean;
  continued: boolean;
  coreDumped: boolean;
  rusage: NodeJS.ResourceUsage;
}

export interface Native extends ForkFunctions {
  setsid(): number;
  getsid(pid: number): number;
  setpgid(pid: number, pgid: number): number;
  getpgid(pid: number): number;
  dup(fd: number): number;
  dup2(oldFd: number, newFd: number): number;
  getdtablesize(): number;
  /** `method` forces a way: 1 close_range(2), 2 the system's list, 3 a loop; 0 the first that works. */
  closeRange(first: number, last: number, cloexec: boolean, method: 0 | 1 | 2 | 3): number;
  /** The access mode: O_RDONLY, O_WRONLY or O_RDWR. */
  accessMode(fd: number): number;
  /** The descriptor's close-on-exec flag: 0 or 1. */
  closeOnExec(fd: number): number;
  /**
   * cpp/sys/descriptor_list.h, on FreeBSD. On Linux, where /proc has the list, one entry of
   * -ENOSYS.
   */
  fileDescriptors(pid: number): [fd: number, kind: string, name: string, access: number][];
  /** cpp/sys/descriptor_list.h: 1, 0, or -errno. */
  sameOpenFile(fd: number, pid: number, theirs: number): number;
  /** cpp/sys/trusted_open.h: a descriptor or -errno, Found, whose link it is, where; Way::guarded. */
  openTrusted(
    path: string,
    flags: number,
    mode: number,
    strict: boolean,
    uid: number,
    gid: number,
  ): [fd: number, found: number, owner: number, at: string, guarded: boolean];
  /** cpp/sys/try_as.h: 0, or -errno. A uid or gid of -1 stays; an empty `root` too. */
  tryOpenAs(
    path: string,
    flags: number,
    root: string,
    uid: number,
    gid: number,
    groups: number[],
  ): number;
  /** How many bytes the file accepted within the time; an error ends the call early. */
  writeWithin(fd: number, bytes: Uint8Array, milliseconds: number): number;
  /** The descriptors of this thread's event loop itself. */
  loopDescriptors(): number[];
  /** The descriptors of the handles on the loop. */
  handleDescriptors(): number[];
  /** The data that the stream of this descriptor has queued and not yet written. */
  queuedWrites(fd: number): Buffer;
  /** Runs the callbacks of these writes as if they had succeeded. */
  completeWrites(fd: number): void;
  /** Waits until the thread pool has done all requests of the event loop; false on timeout. */
  awaitRequests(milliseconds: number): boolean;
  /** cpp/sys/loop_leave.h: 1 if JavaScript's timers keep the event loop alive, 0, or -errno. */
  leaveLoop(): number;
  /** Whether something else than JavaScript's timers keeps the event loop alive. */
  isBusy(): boolean;
  /** An ArrayBuffer for each part of a file, or -errno: cpp/marshal_mapped.h. */
  mapFile(
    fd: number,
    offset: number,
    sizes: readonly number[],
    alignment: number,
  ): ArrayBuffer[] | number;
  /** The kernel's record of the child, null if `noHang` found none changed, or -errno. */
  waitpid(
    pid: number,
    noHang: boolean,
    untraced: boolean,
    continued: boolean,
  ): Waited | null | number;
  /** cpp/sys/exec.h: returns only on failure, with -errno. */
  exec(
    path: string,
    argv: readonly string[],
    ownEnvironment: boolean,
    environment: readonly string[],
    keep: readonly number[],
    resetSignals: boolean,
  ): number;
  /** 0, or -errno. */
  placeDescriptors(sources: readonly number[], first: number): number;
  exit(code: number): never;
  getpid(): number;
  getppid(): number;
  pidfdOpen(pid: number): number;
  /** Readable when the process ends: a pidfd, on FreeBSD a kqueue. */
  exitDescriptor(pid: number): number;
  pidfdSendSignal(pidfd: number, signal: number): number;
  setChildSubreaper(on: boolean): number;
  /** 1, 0, or -errno. */
  getChildSubreaper(): number;
  setParentDeathSignal(signal: number): number;
  getParentDeathSignal(): number;
  rlimitResources(): [name: string, number: number][];
  /** cpp/sys/rlimit.h: 2n ** 64n - 1n is no limit. */
  getrlimit(resource: number): [result: number, soft: bigint, hard: bigint];
  setrlimit(resource: number, soft: bigint, hard: bigint): number;
  chroot(path: string): number;
  /**
   * Makes a flag that raises `memory[0]` and counts in `memory[1 + i]` whenever the signal
   * `numbers[i]` arrives; returns its id or -errno. `memory` may be shared and must live until
   * signalFlagClose(id).
   */
  signalFlagOpen(memory: Int32Array, numbers: Int32Array): number;
  signalFlagFd(id: number): number;
  /** Reads records of six words from the self-pipe; returns how many, or -errno. */
  signalFlagRead(id: number, into: Int32Array): number;
  /** The latest record of a signal, of whichever flag. */
  signalFlagLatest(number: number, into: Int32Array): void;
  /** How many deliveries of a signal a flag has seen. */
  signalFlagSeen(number: number): number;
  /** Whether one of them was delivered to this process, and not to one that it was copied from. */
  signalFlagCame(number: number): boolean;
  /** Whether the signal's handler is a SignalFlag's, installed over an earlier handler or not. */
  signalTaken(number: number): boolean;
  /** Waits until no handler on another thread is between counting and writing. */
  signalFlagSettle(id: number): void;
  signalFlagClose(id: number): void;
  signalRtMin(): number;
  signalRtMax(): number;
  /**
   * Calls `callback(0)` on the event loop whenever `fd` is readable, or `callback(-errno)` once if
   * the loop cannot watch it any more. `ref`: the watch keeps the process alive at first. `owned`:
   * the descriptor is closed with the watch, also when a Worker ends. If it is not owned, close the
   * watch before the descriptor. Makes `fd` non-blocking.
   */
  watch(
    fd: number,
    callback: (status: number) => void,
    ref: boolean,
    owned?: boolean,
  ): Watch | number;

  flockExclusive(fd: number): number;
  /** 1, 0, or -errno. */
  flockHeld(fd: number): number;

  userByName(name: string): number;
  groupByName(name: string): number;
  loginGroup(uid: number): number;
  /** Login name, home directory, shell; `result` is 0 or -errno. */
  userEntry(uid: number): [result: number, name: string, home: string, shell: string];
  /** One negative element is -errno. */
  supplementaryGroups(uid: number, gid: number): number[];
  setgroups(groups: number[]): number;
  setresuid(real: number, effective: number, saved: number): number;
  setresgid(real: number, effective: number, saved: number): number;
  getresuid(): [real: number, effective: number, saved: number];
  getresgid(): [real: number, effective: number, saved: number];
  /** 1, 0, or -errno. */
  hasCapabilities(): number;
  setNoNewPrivileges(timeout: number): number;

  /** One negative element is -errno. */
  socketpair(records: boolean): number[];
  sendRecord(fd: number, record: string): number;
  /** As sendRecord(), but only if the reader has read everything sent before; -EAGAIN otherwise. */
  sendRecordIfRead(fd: number, record: string): number;
  /** memfd_create(2), close-on-exec. */
  anonymousFile(name: string): number;
  awaitHangup(fd: number, timeout: number): boolean;
  /** cpp/sys/launcher.h: the outcome, exit code, pid or -errno, signal, text. */
  awaitBirth(
    channel: number,
    relay: number,
    log: number,
    middle: number,
    timeout: number,
  ): [how: number, code: number, signal: number, text: string];
  /** cpp/sys/reexec.h: the first child's pid, or -errno. */
  reexec(
    program: string,
    argv: string[],
    omit: string[],
    numbered: string[],
    directory: string,
    standard: number[],
    pass: number[],
    channel: number,
  ): number;
  /** cpp/sys/reexec.h: the child's pid, or -errno. */
  startBeside(
    program: string,
    argv: readonly string[],
    environment: readonly string[],
    numbered: readonly string[],
    directory: string,
    standard: readonly number[],
    pass: readonly number[],
    channel: number,
  ): number;
  writeAll(fd: number, text: string): number;
  resetTerminal(): void;
  /**
   * Remembers which of 0, 1 and 2 the starter has made non-blocking. Call it before they are used.
   */
  rememberStandard(): void;
  giveBackStandard(): void;
  makeBlocking(fd: number): number;
  redirect(fd: number, target: number, epolls: number[]): number;

  /** cpp/sys/dispositions.h: one of Disposition's numbers, or -errno. */
  readonly names: Readonly<Record<'births' | 'dispositions' | 'found', readonly string[]>>;
  disposition(signal: number): number;
  /** 0 is the default action. */
  signalHandler(signal: number): number;
  /**
   * `address` is numeric, or empty for all addresses. `company` is 0, 1 or 2 (cpp/sys/listen.h).
   */
  listenTcp(
    address: string,
    port: number,
    ipv6Only: boolean,
    backlog: number,
    company: number,
  ): number;
  /** One more socket on the address of `fd`, which has SO_REUSEPORT from then on. */
  listenBeside(fd: number, backlog: number): number;
  /** The file has the permissions `mode` (-1: those that the umask leaves), and those of `also`. */
  listenUnix(path: string, backlog: number, mode: number, also: number): number;
  /** Whether a Unix domain socket accepts connections: 0, or -errno. */
  connectUnix(path: string): number;
  /** The peer address of a connected stream socket, as text; empty for everything else. */
  peerAddress(fd: number): string;
  /** 1, 0, or -errno. */
  isListening(fd: number): number;
  /** 0 for a socket without ports. */
  localPort(fd: number): number;
  /** cpp/sys/reuseport.h: which sockets of the group get new connections. */
  steer(fd: number, sockets: readonly number[]): number;

  /** A socket connected to NOTIFY_SOCKET's address. */
  notifyOpen(address: string): number;
  /** Sends with the credentials of the process `pid`; 0 is this one. */
  notifySend(fd: number, message: string, fds: number[], pid: number): number;
  /**
   * Sends BARRIER=1. Returns the end of a pipe that hangs up when the manager has read all
   * messages.
   */
  notifyBarrier(fd: number): number;
  /** cpp/sys/notify.h: the pid of a child; the caller must wait for it. */
  notifyAnew(fd: number): number;

  resetSignal(signal: number): number;
  ignoreSignal(signal: number): number;
  unignoreSignal(signal: number): number;
  /** The signals that were blocked before; one negative element is -errno. */
  signalMask(how: 0 | 1 | 2 | 3, signals: number[]): number[];
}

// What every operating system has to tell, each in its own way: linux.ts, freebsd.ts.
/** What a descriptor leads to. */
export type DescriptorType =
  | 'file'
  | 'directory'
  | 'symlink'
  | 'socket'
  | 'pipe'
  | 'fifo'
  | 'tty'
  | 'char'
  | 'block'
  | 'memfd'
  | 'epoll'
  | 'kqueue'
  | 'eventfd'
  | 'inotify'
  | 'fanotify'
  | 'timerfd'
  | 'signalfd'
  | 'pidfd'
  | 'io_uring'
  | 'other';

/** The file that a descriptor leads to: the number alone may be another file's by now. */
export interface Identity {
  dev: bigint;
  ino: bigint;
}

/** One descriptor. */
export interface Entry extends Identity {
  fd: number;
  target: string;
  type: DescriptorType;
  cloexec: boolean;
  readable: boolean;
  writable: boolean;
}

/** A descriptor of another process. */
export interface OtherFile {
  fd: number;
  /** As {@link Entry.target}. */
  target: string;
}

/** The system's answers about this process. */
export interface System {
  /** The open descriptors, lowest first. Throws where the system has them only in a /proc. */
  descriptors(): Entry[];
  /** Of these, the ones that are registered with an epoll or kqueue, as far as that can be seen. */
  polled(entries: readonly Entry[]): Set<number>;
  /** What the process's parent has open; undefined if that cannot be seen. */
  filesOfParent(): OtherFile[] | undefined;
  /** Whether a descriptor and one of the parent lead to the same open file, if that can be told. */
  sameAsOfParent(fd: number, theirs: number): boolean | undefined;
  /** Whether the parent can have passed on what it has, at this number: it looks as here. */
  passedByParent(fd: number): boolean;
  /** Device numbers that lead to the controlling terminal. */
  terminals(): number[];
  /** The call behind subreapers and the signal of a parent's end. */
  parentageCall: 'prctl' | 'procctl';
  /** The call behind the descriptor that tells of a process's end. */
  exitCall: 'pidfd_open' | 'kqueue';
}

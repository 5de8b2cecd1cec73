// The interface of the operating systems: linux.ts, freebsd.ts.
/** The type of a descriptor's file. */
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

/** The file of a descriptor, because the number alone may be reused. */
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

/** The system's data about this process. */
export interface System {
  /** The open descriptors, lowest first. Throws where the system has them only in a /proc. */
  descriptors(): Entry[];
  /** The entries that are registered with an epoll or kqueue, as far as the system shows that. */
  polled(entries: readonly Entry[]): Set<number>;
  /** The open files of the process's parent; undefined if they are not visible. */
  filesOfParent(): OtherFile[] | undefined;
  /**
   * Whether a descriptor and one of the parent refer to the same open file; undefined if that is
   * not known.
   */
  sameAsOfParent(fd: number, theirs: number): boolean | undefined;
  /**
   * Whether the parent can have passed on its file at this number: it has the same properties
   * there.
   */
  passedByParent(fd: number): boolean;
  /** The device numbers of the controlling terminal. */
  terminals(): number[];
  /** The call for subreapers and the parent death signal. */
  parentageCall: 'prctl' | 'procctl';
  /** The call for the descriptor that becomes readable when a process ends. */
  exitCall: 'pidfd_open' | 'kqueue';
}

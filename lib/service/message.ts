// The assignments of sd_notify(3), from an object to the lines of a message.
import { invalidArgType, invalidArgValue } from '../base/errors.js';
import {
  boolean,
  fileDescriptors,
  INT_MAX,
  integer,
  options as optionsObject,
  string,
} from '../base/validate.js';

/** Descriptors for the service manager to keep; see {@link NotifyState}. */
export interface FdStore {
  /** 1 to 253 descriptors. They stay open in this process. */
  fds: readonly number[];
  /**
   * The name under which {@link listenFds} lists them after a restart: at most 255 printable ASCII
   * characters without a colon. Default: `stored`.
   */
  name?: string | undefined;
  /** If false, the manager keeps them even after a hang-up (FDPOLL=0). Default: true. */
  poll?: boolean | undefined;
}

/** The report of a service to its manager; see {@link notify}. A value of false reports nothing. */
export interface NotifyState {
  /** READY=1: start-up, or a reload, is complete. */
  ready?: boolean | undefined;
  /** RELOADING=1 with MONOTONIC_USEC: the configuration is being read; `ready` must follow. */
  reloading?: boolean | undefined;
  /** STOPPING=1: the shutdown has begun. */
  stopping?: boolean | undefined;
  /** STATUS: one line on what the service is doing. */
  status?: string | undefined;
  /** ERRNO: the errno of a failure, positive or (as in Node's errors) negative. */
  errno?: number | undefined;
  /** BUSERROR: the D-Bus name of a failure. */
  busError?: string | undefined;
  /** MAINPID, and MAINPIDFD for systemd 257: the main process of the service from now on. */
  mainPid?: number | undefined;
  /** WATCHDOG=1, the keep-alive message; or WATCHDOG=trigger: act as if it was missing. */
  watchdog?: boolean | 'trigger' | undefined;
  /** WATCHDOG_USEC: the interval from now on, in microseconds. */
  watchdogUsec?: number | undefined;
  /** EXTEND_TIMEOUT_USEC: the most microseconds that start-up or shutdown takes from now. */
  extendTimeoutUsec?: number | undefined;
  /** FDSTORE=1: descriptors to keep over a restart; {@link listenFds} returns them then. */
  fdStore?: FdStore | undefined;
  /** FDSTOREREMOVE=1: the name of descriptors to remove from the store. */
  fdStoreRemove?: string | undefined;
}

/** SCM_MAX_FD of unix(7). */
const MOST_FDS = 253;

/** @internal */
export interface Message {
  lines: string[];
  fds: number[];
  /** This is also in the lines. */
  mainPid?: number;
}

/** @internal A line break or null byte would end the value and begin another assignment. */
export function line(value: unknown, name: string): string {
  const text = string(value, name);
  if (/[\n\0]/.test(text)) throw invalidArgValue(name, value, 'must be a single line');
  return text;
}

function flag(value: unknown, name: string): string | undefined {
  return boolean(value, name) ? '1' : undefined;
}

const microseconds = (value: unknown, name: string) =>
  `${integer(value, name, 1, Number.MAX_SAFE_INTEGER)}`;

/** systemd ignores an invalid name: fdname_is_valid() of its basic/fd-util.c. */
function fdName(value: unknown, name: string): string {
  const text = string(value, name);
  if (/^[ -9;-~]{1,255}$/.test(text)) return text;
  throw invalidArgValue(name, value, 'must be 1 to 255 printable ASCII characters without a colon');
}

function watchdog(value: unknown, name: string): string | undefined {
  return value === 'trigger' ? value : flag(value, name);
}

type Single = Exclude<keyof NotifyState, 'fdStore' | 'fdStoreRemove'>;

/**
 * For each property the variable, and a check that returns its text, or undefined for no
 * assignment.
 */
const ASSIGNMENTS: {
  readonly [K in Single]: readonly [
    variable: string,
    text: (value: unknown, name: string) => string | undefined,
  ];
} = {
  ready: ['READY', flag],
  reloading: ['RELOADING', flag],
  stopping: ['STOPPING', flag],
  status: ['STATUS', line],
  errno: ['ERRNO', (value, name) => `${Math.abs(integer(value, name, -INT_MAX))}`],
  busError: ['BUSERROR', line],
  mainPid: ['MAINPID', (value, name) => `${integer(value, name, 1)}`],
  watchdog: ['WATCHDOG', watchdog],
  watchdogUsec: ['WATCHDOG_USEC', microseconds],
  extendTimeoutUsec: ['EXTEND_TIMEOUT_USEC', microseconds],
};

const SINGLE = Object.keys(ASSIGNMENTS) as Single[];
const KNOWN = [...SINGLE, 'fdStore', 'fdStoreRemove'] as const;

/** CLOCK_MONOTONIC, which libuv's clock uses on Linux and FreeBSD. */
const monotonicUsec = () => process.hrtime.bigint() / 1000n;

function single(state: NotifyState): string[] {
  const lines: string[] = [];
  for (const key of SINGLE) {
    if (state[key] === undefined) continue;
    const [variable, text] = ASSIGNMENTS[key];
    const value = text(state[key], `state.${key}`);
    if (value === undefined) continue;
    lines.push(`${variable}=${value}`);
    if (key === 'reloading') lines.push(`MONOTONIC_USEC=${monotonicUsec()}`);
  }
  return lines;
}

function store(value: FdStore): Message {
  const name = 'state.fdStore';
  const given = optionsObject<FdStore>(value, ['fds', 'name', 'poll'], name);
  const fds = fileDescriptors(given.fds, `${name}.fds`);
  if (fds.length < 1 || fds.length > MOST_FDS) {
    throw invalidArgValue(`${name}.fds`, fds.length, `must have 1 to ${MOST_FDS} elements`);
  }
  const lines = ['FDSTORE=1'];
  if (given.name !== undefined) lines.push(`FDNAME=${fdName(given.name, `${name}.name`)}`);
  if (!boolean(given.poll ?? true, `${name}.poll`)) lines.push('FDPOLL=0');
  return { lines, fds };
}

/** These use descriptors or their name, and a message has only one set. */
const EXCLUSIVE = ['fdStore', 'fdStoreRemove', 'mainPid'] as const;

/** @internal Checks a state. Makes no system call except to read the clock. */
export function compose(value: unknown): Message {
  if (value === undefined) throw invalidArgType('state', 'of type object', value);
  const state = optionsObject<NotifyState>(value, KNOWN, 'state');
  const [one, other] = EXCLUSIVE.filter((key) => state[key] !== undefined);
  if (other !== undefined) {
    throw invalidArgValue(`state.${other}`, state[other], `needs a separate message from ${one}`);
  }
  const message: Message = { lines: single(state), fds: [] };
  if (state.mainPid !== undefined) message.mainPid = state.mainPid;
  if (state.fdStore !== undefined) {
    const { lines, fds } = store(state.fdStore);
    message.lines.push(...lines);
    message.fds = fds;
  }
  if (state.fdStoreRemove !== undefined) {
    const name = fdName(state.fdStoreRemove, 'state.fdStoreRemove');
    message.lines.push('FDSTOREREMOVE=1', `FDNAME=${name}`);
  }
  if (message.lines.length === 0) throw invalidArgValue('state', value, 'must not be empty');
  return message;
}

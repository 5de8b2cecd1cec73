// The shared state of an upgrade: what the predecessor hands over, and what the successor has
// received. prefork's upgrade() uses it; pidfiles, sockets and daemons only register here. All
// copies of the package in a process share the state, because the command has one copy and the
// application may have another.
import { isMainThread } from 'node:worker_threads';
import { native } from '../addon/native.js';
import { fstatOf } from './file-id.js';

/** A listening socket, by its requested address. */
export interface ListeningSocket {
  /** Identifies the socket: requested host, port and so on, or the file's absolute path. */
  address: string;
  /** The actual TCP port; 0 without one. */
  port: number;
  fd: number;
  /** The socket. */
  id: string | undefined;
  /** The file of a Unix socket. */
  file: string | undefined;
}

/** A locked pidfile. */
export interface HeldPidfile {
  readonly path: string;
  readonly fd: number;
  /** Writes the successor's pid, before the successor has confirmed the take-over. */
  nameSuccessor(pid: number): void;
  /** Writes this process's pid again. */
  nameSelf(): void;
  /** Closes the file, which the successor holds now. */
  close(): void;
}

/** Something that must be ready before the predecessor may end. */
export type Pending = object;

/** A daemon that the successor continues. */
export interface Superseded {
  readonly detached: boolean;
  /** The successor has taken over: this daemon sends no more messages to the service manager. */
  superseded(): void;
}

/** The resources that the predecessor has handed over to this process. */
export interface Heritage {
  /** The line to the predecessor; -1 once it is in use. */
  line: number;
  /** The final file for standard error; until then 2 leads to the predecessor. -1 as above. */
  stderr: number;
  sockets: ListeningSocket[];
  pidfiles: { path: string; fd: number }[];
  /**
   * Whether the predecessor was a daemon that had left its terminal; null if it was not a daemon.
   */
  detached: boolean | null;
  /** How many sockets LISTEN_FDS describes; 0 for none. */
  passed: number;
}

interface Succession {
  heritage: Heritage | undefined;
  /** The predecessor still runs, and continues if this program fails. */
  onTrial: boolean;
  readonly claimed: { sockets: Set<string>; pidfiles: Set<string> };
  readonly pending: Set<Pending>;
  /** Callbacks for something that is pending, ready, or has failed; set by service/successor.ts. */
  readonly listeners: Set<(step?: string, error?: Error) => void>;
  /** Callbacks for the end of the trial; `alone` if the predecessor has ended. */
  readonly settled: Set<(alone: boolean) => void>;
  /** The resources that this process would hand over. */
  readonly sockets: Map<number, ListeningSocket>;
  readonly pidfiles: Set<HeldPidfile>;
  readonly daemons: Set<Superseded>;
  /** Files of Unix sockets that a successor has taken. */
  readonly handedOver: Set<string>;
}

/** The environment variable: a Heritage as JSON, a space, and the pid of its process. */
export const VARIABLE = 'DAEMONKIT_UPGRADE';

const KEY = Symbol.for('daemonkit.succession.1');

function shared(): Succession {
  const known = (globalThis as { [KEY]?: Succession })[KEY];
  if (known !== undefined) return known;
  const value: Succession = {
    heritage: undefined,
    onTrial: false,
    claimed: { sockets: new Set(), pidfiles: new Set() },
    pending: new Set(),
    listeners: new Set(),
    settled: new Set(),
    sockets: new Map(),
    pidfiles: new Set(),
    daemons: new Set(),
    handedOver: new Set(),
  };
  Object.defineProperty(globalThis, KEY, { value });
  return value;
}

export const succession = shared();

/**
 * The variable's value, if it is meant for this process. A process that was started with a copy of
 * the environment, before this module was loaded, has another pid.
 */
function read(text: string): Heritage | undefined {
  const [, json = '', pid] = /^(\{.*\}) (\d+)$/s.exec(text) ?? [];
  if (Number(pid) !== process.pid) return undefined;
  try {
    const { socket, ...found } = JSON.parse(json) as Heritage & { socket: string };
    return fstatOf(found.line) === socket ? found : undefined;
  } catch {
    return undefined;
  }
}

/** The handed-over descriptors that have not been taken yet, and the line. */
export function heirlooms(): number[] {
  const { heritage, claimed } = succession;
  if (heritage === undefined) return [];
  const { line, stderr, sockets, pidfiles } = heritage;
  return [
    line,
    stderr,
    ...sockets.filter(({ id }) => !claimed.sockets.has(`${id}`)).map(({ fd }) => fd),
    ...pidfiles.filter(({ path }) => !claimed.pidfiles.has(path)).map(({ fd }) => fd),
  ].filter((fd) => fd >= 0);
}

/** Runs when the package is loaded, so that no child of the program sees the variable. */
export function readSuccession(): void {
  const text = process.env[VARIABLE];
  if (!isMainThread || text === undefined) return;
  delete process.env[VARIABLE];
  const found = read(text);
  if (found === undefined) return;
  succession.heritage = found;
  succession.onTrial = true;
  for (const fd of heirlooms()) native.closeRange(fd, fd, true, 0);
}

/**
 * Takes the socket that was handed over for an address; undefined if there is none. It belongs to
 * the caller then.
 */
export function claimSocket(address: string, port: number): ListeningSocket | undefined {
  const { heritage, onTrial, claimed } = succession;
  if (!onTrial) return undefined;
  const found = heritage?.sockets.find((one) => {
    if (claimed.sockets.has(`${one.id}`)) return false;
    return one.address === address || (port > 0 && addressWith(one, port) === address);
  });
  if (found === undefined || fstatOf(found.fd) !== found.id) return undefined;
  claimed.sockets.add(`${found.id}`);
  return found;
}

/** For port 0 the kernel has chosen a port, which may be requested by its number now. */
const addressWith = ({ address, port: chosen }: ListeningSocket, port: number) =>
  chosen === port ? address.replace(/^tcp 0 /, `tcp ${port} `) : address;

/**
 * Takes the descriptor of the locked pidfile that was handed over. It belongs to the caller then.
 */
export function claimPidfile(path: string): number | undefined {
  const { heritage, onTrial, claimed } = succession;
  if (!onTrial || claimed.pidfiles.has(path)) return undefined;
  const found = heritage?.pidfiles.find((one) => one.path === path);
  if (found === undefined) return undefined;
  claimed.pidfiles.add(path);
  return found.fd;
}

/** Whether this process may remove a Unix socket's file. */
export function mayUnlink(file: string): boolean {
  const { onTrial, heritage, handedOver } = succession;
  const predecessors = onTrial && heritage?.sockets.some((one) => one.file === file);
  return !(predecessors || handedOver.has(file));
}

/** Registers something that must be ready before the predecessor may end. */
export function begins(one: Pending, step: string): void {
  if (!succession.onTrial) return;
  succession.pending.add(one);
  for (const tell of succession.listeners) tell(step);
}

/** Reports that it is ready, or with an error that it has failed or ended. */
export function isReadyNow(one: Pending, error?: Error): void {
  if (!succession.onTrial || (error === undefined && !succession.pending.has(one))) return;
  if (error === undefined) succession.pending.delete(one);
  for (const tell of succession.listeners) tell(undefined, error);
}

/** Calls back when the predecessor has handed over; at once if there is none. */
export function afterTrial(act: (alone: boolean) => void): void {
  if (succession.onTrial) succession.settled.add(act);
  else act(false);
}

// One program takes the place of another: what the one hands over, and what the other finds. prefork's
// upgrade() does it; pidfiles, sockets and daemons only need to know that it is done. The state is shared by
// all copies of the package in a process, as the command has one and the application may have another.
import { isMainThread } from 'node:worker_threads';
import { native } from '../addon/native.js';
import { fstatOf } from './file-id.js';

/** A socket that listens, by the address that was asked for. */
export interface ListeningSocket {
  /** Tells it from others: host, port and such as they were asked for, or the file's absolute path. */
  address: string;
  /** The TCP port that it has; 0 without one. */
  port: number;
  fd: number;
  /** The socket. */
  id: string | undefined;
  /** The file of a Unix socket. */
  file: string | undefined;
}

/** A pidfile that is locked. */
export interface HeldPidfile {
  readonly path: string;
  readonly fd: number;
  /** Has it name the successor, which has not said yet that it took over. */
  nameSuccessor(pid: number): void;
  /** It names this process again. */
  nameSelf(): void;
  /** The successor has it. */
  close(): void;
}

/** Something that must be ready before the predecessor may go. */
export type Pending = object;

/** A daemon that a successor is to be as well. */
export interface Superseded {
  readonly detached: boolean;
  /** There is another one: nothing more is told to the service manager. */
  superseded(): void;
}

/** What the predecessor has handed over to this process. */
export interface Heritage {
  /** To the predecessor; -1 once it is in use. */
  line: number;
  /** The file that standard error becomes in the end; until then 2 leads to the predecessor. -1 as above. */
  stderr: number;
  sockets: ListeningSocket[];
  pidfiles: { path: string; fd: number }[];
  /** Whether the predecessor was a daemon that had left its terminal; null if it was no daemon. */
  detached: boolean | null;
  /** How many sockets follow LISTEN_FDS's first; 0 for none. */
  passed: number;
}

interface Succession {
  heritage: Heritage | undefined;
  /** The predecessor is there, and goes on if this program fails. */
  onTrial: boolean;
  readonly claimed: { sockets: Set<string>; pidfiles: Set<string> };
  readonly pending: Set<Pending>;
  /** What is told when something is pending, ready, or cannot be; by service/successor.ts. */
  readonly listeners: Set<(step?: string, error?: Error) => void>;
  /** What is done when the trial is over; `alone` if the predecessor is gone. */
  readonly settled: Set<(alone: boolean) => void>;
  /** What this process would hand over. */
  readonly sockets: Map<number, ListeningSocket>;
  readonly pidfiles: Set<HeldPidfile>;
  readonly daemons: Set<Superseded>;
  /** Files of Unix sockets that a successor has. */
  readonly handedOver: Set<string>;
}

/** The environment variable: a Heritage as JSON, a space, and the pid that it is for. */
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
 * The variable's value, if it was meant for this process: one that is started with a copy of the environment,
 * before this module is loaded, has another pid.
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

/** The descriptors of what was handed over that nobody has taken yet, and the line. */
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

/** When the package is loaded: at once, so that no child of the program sees the variable. */
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

/** The socket that was handed over for an address; undefined if there is none. It becomes the caller's. */
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

/** Asked for port 0, the kernel has chosen one, which may be asked for by its number now. */
const addressWith = ({ address, port: chosen }: ListeningSocket, port: number) =>
  chosen === port ? address.replace(/^tcp 0 /, `tcp ${port} `) : address;

/** The descriptor of the locked pidfile that was handed over; it becomes the caller's. */
export function claimPidfile(path: string): number | undefined {
  const { heritage, onTrial, claimed } = succession;
  if (!onTrial || claimed.pidfiles.has(path)) return undefined;
  const found = heritage?.pidfiles.find((one) => one.path === path);
  if (found === undefined) return undefined;
  claimed.pidfiles.add(path);
  return found.fd;
}

/** Whether a Unix socket's file is this process's to remove. */
export function mayUnlink(file: string): boolean {
  const { onTrial, heritage, handedOver } = succession;
  const predecessors = onTrial && heritage?.sockets.some((one) => one.file === file);
  return !(predecessors || handedOver.has(file));
}

/** Something is there that must be ready before the predecessor may go. */
export function begins(one: Pending, step: string): void {
  if (!succession.onTrial) return;
  succession.pending.add(one);
  for (const tell of succession.listeners) tell(step);
}

/** It is ready; or with an error will not be, or is no more. */
export function isReadyNow(one: Pending, error?: Error): void {
  if (!succession.onTrial || (error === undefined && !succession.pending.has(one))) return;
  if (error === undefined) succession.pending.delete(one);
  for (const tell of succession.listeners) tell(undefined, error);
}

/** Calls back when the predecessor has gone its way; at once if there is none. */
export function afterTrial(act: (alone: boolean) => void): void {
  if (succession.onTrial) succession.settled.add(act);
  else act(false);
}

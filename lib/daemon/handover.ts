// The state that becomeDaemon() passes to the program that it starts again.
import { closeSync, fstatSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { native } from '../addon/native.js';
import { atFork } from '../atfork/hooks.js';
import { ownDescriptors } from '../descriptors/table.js';
import { succession } from '../system/succession.js';

/** The descriptors are open at the same numbers as in the launcher. */
export interface Inheritance {
  /** The daemon's ends of the lines to the launcher. */
  channel: number;
  relay: number;
  /** The inode of the channel, because its descriptor number may belong to another file. */
  socket: string;
  /** The pidfile that the launcher has locked. */
  pidfile: { path: string; fd: number } | null;
  /** Further descriptors for the script. */
  passed: number[];
}

/** The environment variable: the above as JSON, a space, and the daemon's pid. */
export const VARIABLE = 'DAEMONKIT_REEXEC';

/**
 * The variable's value, if it is meant for this process. A child of the daemon that was started
 * before this module was loaded also has it, and so may a process with a copied environment.
 */
function read(text: string): Inheritance | undefined {
  const [, json = '', pid] = /^(\{.*\}) (\d+)$/s.exec(text) ?? [];
  // The daemon does not lead its session.
  if (Number(pid) !== process.pid || native.getsid(0) === process.pid) return undefined;
  try {
    const found = JSON.parse(json) as Inheritance;
    const stat = fstatSync(found.channel, { bigint: true });
    return stat.isSocket() && String(stat.ino) === found.socket ? found : undefined;
  } catch {
    return undefined;
  }
}

const own = ({ channel, relay, pidfile }: Inheritance) => [
  channel,
  relay,
  ...(pidfile === null ? [] : [pidfile.fd]),
];

let inheritance: Inheritance | undefined;
let hook: Disposable | undefined;

/** In a fork of a script that is not yet the daemon: launcher and pidfile do not belong to it. */
function disown(): void {
  for (const fd of held()) closeSync(fd);
  takeInheritance();
}

const held = () => (inheritance === undefined ? [] : own(inheritance));

/** Runs when the package is loaded, so that no child of the script sees the variable. */
export function readHandover(): void {
  const text = process.env[VARIABLE];
  if (!isMainThread || text === undefined) return;
  delete process.env[VARIABLE];
  inheritance = read(text);
  if (inheritance === undefined) return;
  ownDescriptors(held);
  hook = atFork({ child: disown });
  // Node sets close-on-exec on inherited descriptors, but above 15 only up to the first free
  // number: uv_disable_stdio_inheritance() of libuv.
  for (const fd of [...own(inheritance), ...inheritance.passed]) {
    native.closeRange(fd, fd, true, 0);
  }
}

/**
 * Whether the program was started again by a launcher or predecessor, which has made its sockets
 * and locked its pidfile.
 */
export const startedAgain = () => inheritance !== undefined || succession.onTrial;

/** What {@link takeInheritance} would return. */
export function expectedInheritance(): Inheritance | undefined {
  return inheritance;
}

/**
 * Returns the inheritance, only once; undefined in a process that becomeDaemon() has not started.
 */
export function takeInheritance(): Inheritance | undefined {
  const taken = inheritance;
  inheritance = undefined;
  hook?.[Symbol.dispose]();
  return taken;
}

// What becomeDaemon() hands over to the program that it has started again: the daemon that is to be.
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
  /** The inode of the channel: its number alone may be another file's. */
  socket: string;
  /** The pidfile that the launcher has locked. */
  pidfile: { path: string; fd: number } | null;
  /** Further descriptors for the script. */
  passed: number[];
}

/** The environment variable: the above as JSON, a space, and the daemon's pid. */
export const VARIABLE = 'DAEMONKIT_REEXEC';

/**
 * The variable's value, if it was meant for this process: a child of the daemon's that was started
 * before this module was loaded has it too, and so may what is started from a copied environment.
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

/** A fork of the script that is not yet the daemon: neither launcher nor pidfile are its own. */
function disown(): void {
  for (const fd of held()) closeSync(fd);
  takeInheritance();
}

const held = () => (inheritance === undefined ? [] : own(inheritance));

/** When the package is loaded: at once, so that no child of the script sees the variable. */
export function readHandover(): void {
  const text = process.env[VARIABLE];
  if (!isMainThread || text === undefined) return;
  delete process.env[VARIABLE];
  inheritance = read(text);
  if (inheritance === undefined) return;
  ownDescriptors(held);
  hook = atFork({ child: disown });
  // Node sets it on what it inherits, but beyond 15 only up to the first number that is free:
  // uv_disable_stdio_inheritance() of libuv.
  for (const fd of [...own(inheritance), ...inheritance.passed]) {
    native.closeRange(fd, fd, true, 0);
  }
}

/** Whether somebody has started the program again, and made what it must find: sockets, a locked pidfile. */
export const startedAgain = () => inheritance !== undefined || succession.onTrial;

/** What {@link takeInheritance} would give. */
export function expectedInheritance(): Inheritance | undefined {
  return inheritance;
}

/** Gives the inheritance, once; undefined in a process that becomeDaemon() has not started. */
export function takeInheritance(): Inheritance | undefined {
  const taken = inheritance;
  inheritance = undefined;
  hook?.[Symbol.dispose]();
  return taken;
}

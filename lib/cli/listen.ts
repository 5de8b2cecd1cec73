// Sockets that the command binds before it drops privileges. It passes them as systemd does:
// LISTEN_FDS sockets from descriptor 3 on, sd_listen_fds(3).
import { accessSync, closeSync, constants, lstatSync, openSync } from 'node:fs';
import { constants as os } from 'node:os';
import { basename, dirname } from 'node:path';
import { native } from '../addon/native.js';
import { absolutePath } from '../base/absolute.js';
import { check, type SystemError, systemError } from '../base/errors.js';
import { startedAgain } from '../daemon/handover.js';
import { openDescriptors } from '../descriptors/list.js';
import {
  type Listener,
  type ListenOptions,
  type ListenPlan,
  listenPlan,
  openListener,
} from '../posix/listen.js';
import { passedDescriptors } from '../system/listen-environment.js';
import { recordSockets } from '../system/program.js';
import { listeners, listensAt } from '../system/sockets.js';
import { listOf, UsageError, type Values } from './arguments.js';

/** The value of one --listen. */
export interface Address {
  /** The text as given. */
  text: string;
  plan: ListenPlan;
  /** The name in LISTEN_FDNAMES, which cannot contain colons: the port, or the name of the file. */
  name: string;
}

/** As in systemd.socket(5), everyone may connect: SocketMode=0666. */
const SOCKET_MODE = 0o666;

const FORMS = 'PORT, HOST:PORT, [IPV6]:PORT, or the path of a Unix socket with a / in it';

function optionsOf(text: string): ListenOptions {
  const [, unix] = /^unix:(.+)$/s.exec(text) ?? [];
  if (unix !== undefined || text.includes('/')) {
    return { path: absolutePath(unix ?? text), mode: SOCKET_MODE };
  }
  const [, v6, v4, port] = /^(?:(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):)?(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined) throw new UsageError(`--listen: '${text}' is not ${FORMS}`);
  const host = v6 ?? (v4 === '*' ? undefined : v4);
  return { port: Number(port), ...(host === undefined ? {} : { host }) };
}

function addressOf(text: string): Address {
  const options = optionsOf(text);
  let plan: ListenPlan;
  try {
    plan = listenPlan(options);
  } catch {
    const host = options.host === undefined ? '' : `, HOST an IP address`;
    throw new UsageError(`--listen: '${text}' is not ${FORMS}; PORT is up to 65535${host}`);
  }
  const name = 'path' in plan ? basename(plan.path).replaceAll(':', '_') : `${plan.port}`;
  return { text, plan, name };
}

/** The addresses on a command line. */
export function addressesOf(values: Values): Address[] {
  return listOf(values, 'listen').map(addressOf);
}

const key = ({ plan }: Address) => ('path' in plan ? plan.path : plan.port);

/**
 * Throws the error that bind(2) would return for a Unix socket's path. bind(2) itself would leave a
 * file.
 */
function expectPath(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  const detail = found?.isSocket() ? 'another process listens there' : 'the file is not a socket';
  const served = found?.isSocket() && listeners().some(({ at }) => at === path);
  if (found !== undefined && (served || !found.isSocket())) {
    throw systemError(-os.errno.EADDRINUSE, 'listen', { path, detail });
  }
  accessSync(dirname(path), constants.W_OK | constants.X_OK);
}

/**
 * Checks that a socket can be bound, and leaves nothing behind.
 *
 * @param running - a daemon that will be stopped before the bind; its sockets are not an obstacle.
 * @throws what {@link openAddresses} would throw, with the `step` listen.
 */
export function expectAddress(address: Address, running?: number): void {
  if (running !== undefined && listensAt(running).has(key(address))) return;
  try {
    if ('path' in address.plan) expectPath(address.plan.path);
    else closeSync(openListener(address.plan).fd);
  } catch (error) {
    throw Object.assign(error as SystemError, { step: 'listen' });
  }
}

/** `PID FIRST COUNT`: the process keeps these descriptor numbers free for sockets. */
const VARIABLE = 'DAEMONKIT_LISTEN';

function reserved(count: number): number | undefined {
  const [pid, first, reserve] = (process.env[VARIABLE] ?? '').split(' ').map(Number);
  delete process.env[VARIABLE];
  return pid === process.pid && reserve === count ? first : undefined;
}

/**
 * Makes sure that the descriptor numbers from 3 on, after those that a service manager has passed,
 * are free for sockets. In a running Node the event loop uses them. So the command executes itself
 * again in the same process, with /dev/null at these numbers.
 *
 * @returns the first number; undefined if there is nothing to bind.
 */
export function reserveDescriptors(addresses: readonly Address[]): number | undefined {
  const count = addresses.length;
  // A daemon that was started again gets the sockets from its launcher.
  if (count === 0 || startedAgain()) return undefined;
  const first = reserved(count);
  if (first !== undefined) return first;
  const passed = passedDescriptors();
  const nothing = openSync('/dev/null', constants.O_RDWR);
  process.env[VARIABLE] = `${process.pid} ${3 + passed.length} ${count}`;
  const sources = [...passed, ...addresses.map(() => nothing)];
  const command = [process.argv0, ...process.execArgv, ...process.argv.slice(1)];
  const inherited = openDescriptors().flatMap((entry) => (entry.inherited ? entry.fd : []));
  const keep = [0, 1, 2, ...inherited];
  const errno =
    native.placeDescriptors(sources, 3) ||
    native.exec(process.execPath, command, false, [], keep, false);
  // The event loop's descriptors may be closed already.
  const { message } = systemError(errno, 'execve', { path: process.execPath });
  native.writeAll(2, `daemonkit: ${message}\n`);
  return native.exit(111);
}

/**
 * Binds the sockets at the reserved numbers and describes them in the environment.
 *
 * @returns a function that removes the sockets' files, for a start that fails.
 * @throws what listeningSocket() throws, with the `step` listen.
 */
export function openAddresses(addresses: readonly Address[], first: number): () => void {
  const opened: Listener[] = [];
  const remove = () => {
    for (const { unlink } of opened) unlink();
  };
  const before = passedDescriptors();
  const names = before.length === 0 ? [] : (process.env.LISTEN_FDNAMES ?? '').split(':');
  addresses.forEach((address, at) => {
    try {
      const listener = openListener(address.plan);
      opened.push(listener);
      check(native.dup2(listener.fd, first + at), 'dup2');
      closeSync(listener.fd);
    } catch (error) {
      remove();
      throw Object.assign(error as SystemError, { step: 'listen' });
    }
  });
  check(native.closeRange(first, first + addresses.length - 1, true, 0), 'fcntl');
  const named = before.map((_, at) => names[at] || 'unknown');
  Object.assign(process.env, {
    LISTEN_PID: `${process.pid}`,
    LISTEN_FDS: `${before.length + addresses.length}`,
    LISTEN_FDNAMES: [...named, ...addresses.map(({ name }) => name)].join(':'),
  });
  recordSockets();
  return remove;
}

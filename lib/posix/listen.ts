// Opens a listening socket from which no process accepts yet: socket(2), bind(2), listen(2).
import { isIP } from 'node:net';
import { native } from '../addon/native.js';
import { check, invalidArgType, invalidArgValue } from '../base/errors.js';
import { boolean, INT_MAX, integer, options, path, string } from '../base/validate.js';
import {
  addressOf,
  inheritedFollower,
  inheritedListener,
  registered,
  registerFollower,
} from './heirlooms.js';
import { type Listener, openUnixListener } from './listen-unix.js';

export type { Listener } from './listen-unix.js';

/** The options of every kind of socket. */
interface Common {
  /**
   * How many connections may wait to be accepted, from 1. The system has its own limit
   * (net.core.somaxconn). Default: 511.
   */
  backlog?: number | undefined;
}

/** A TCP socket. */
export interface ListenPortOptions extends Common {
  /** The TCP port, 0 to 65535; 0 lets the kernel choose one. */
  port: number;
  /**
   * The IP address to listen on, not a name. Default: all addresses of the machine, by IPv6 and
   * IPv4, or only by IPv4 where there is no IPv6.
   */
  host?: string | undefined;
  /** With an IPv6 address: accept no IPv4 connections. Default: false. */
  ipv6Only?: boolean | undefined;
  /**
   * Let other sockets of the same user that also have this option listen on the port. Each socket
   * has its own queue, and the kernel distributes connections over them. This is SO_REUSEPORT, on
   * FreeBSD SO_REUSEPORT_LB. Default: false.
   */
  reusePort?: boolean | undefined;
  /** With {@link ListenPathOptions} only. */
  path?: undefined;
  /** With {@link ListenPathOptions} only. */
  mode?: undefined;
  /** With {@link ListenPathOptions} only. */
  readableAll?: undefined;
  /** With {@link ListenPathOptions} only. */
  writableAll?: undefined;
}

/** A Unix domain socket. */
export interface ListenPathOptions extends Common {
  /**
   * The file name of the socket. If a killed server has left its file there, the file is replaced.
   */
  path: string;
  /**
   * The permissions of that file, 0 to 0o777; the umask does not apply. Users with write permission
   * may connect. Default: 0o777 less the umask.
   */
  mode?: number | undefined;
  /** Also let everyone read the file. Default: false. */
  readableAll?: boolean | undefined;
  /** Also let everyone write to the file, and so connect. Default: false. */
  writableAll?: boolean | undefined;
  /** With {@link ListenPortOptions} only. */
  port?: undefined;
  /** With {@link ListenPortOptions} only. */
  host?: undefined;
  /** With {@link ListenPortOptions} only. */
  ipv6Only?: undefined;
  /** With {@link ListenPortOptions} only. */
  reusePort?: undefined;
}

/** Where {@link listeningSocket} listens: a `port`, or a `path`. */
export type ListenOptions = ListenPortOptions | ListenPathOptions;

const OF_PORTS = ['port', 'host', 'ipv6Only', 'reusePort'] as const;
const OF_PATHS = ['mode', 'readableAll', 'writableAll'] as const;
const KNOWN = [...OF_PORTS, 'path', ...OF_PATHS, 'backlog'] as const;

/** @internal The backlog of Node's own servers. */
export const BACKLOG = 511;

function address(value: unknown, name: string): string {
  const host = string(value, name);
  if (isIP(host) === 0) throw invalidArgValue(name, value, 'must be an IP address');
  return host;
}

/** Permission bits for user, group and others. */
const READABLE = 0o444;
const WRITABLE = 0o222;

function pathPlan(given: Partial<ListenOptions>, name: string, backlog: number) {
  const { mode, readableAll = false, writableAll = false } = given;
  return {
    path: path(given.path, `${name}.path`),
    mode: mode === undefined ? -1 : integer(mode, `${name}.mode`, 0, 0o777),
    also:
      (boolean(readableAll, `${name}.readableAll`) ? READABLE : 0) |
      (boolean(writableAll, `${name}.writableAll`) ? WRITABLE : 0),
    backlog,
  };
}

function portPlan(given: Partial<ListenOptions>, name: string, backlog: number) {
  if (given.port === undefined) throw invalidArgType(name, 'an object with port or path', given);
  const port = integer(given.port, `${name}.port`, 0, 65535);
  const host = given.host === undefined ? '' : address(given.host, `${name}.host`);
  const ipv6Only = boolean(given.ipv6Only ?? false, `${name}.ipv6Only`);
  const reusePort = boolean(given.reusePort ?? false, `${name}.reusePort`);
  return { port, host, ipv6Only, reusePort, backlog };
}

/** @internal Checks the options and adds the defaults; makes no system call. */
export function listenPlan(value: unknown, name = 'options') {
  const given = options<ListenOptions>(value ?? null, KNOWN, name);
  const backlog = integer(given.backlog ?? BACKLOG, `${name}.backlog`, 1, INT_MAX);
  const byPath = given.path !== undefined;
  for (const key of byPath ? OF_PORTS : OF_PATHS) {
    if (given[key] === undefined) continue;
    const why = byPath ? 'cannot be combined with a path' : 'needs a path';
    throw invalidArgValue(`${name}.${key}`, given[key], why);
  }
  return byPath ? pathPlan(given, name, backlog) : portPlan(given, name, backlog);
}

/** @internal */
export type ListenPlan = ReturnType<typeof listenPlan>;

/** Which other sockets may listen on the address (cpp/sys/listen.h). */
const COMPANY = { nobody: 0, anybody: 1, followers: 2 } as const;

/**
 * @internal Opens the planned socket, or takes the one that a predecessor has handed over.
 *
 * @param followed - further sockets will follow on the address ({@link openFollower}), but none may
 *   be there now.
 */
export function openListener(plan: ListenPlan, followed = false): Listener {
  const address = addressOf(plan);
  return inheritedListener(plan, address) ?? registered(openNew(plan, followed), address, plan);
}

function openNew(plan: ListenPlan, followed: boolean): Listener {
  if ('path' in plan) return openUnixListener(plan);
  const { host, port, ipv6Only, reusePort, backlog } = plan;
  const where = { path: `${host.includes(':') ? `[${host}]` : host || '*'}:${port}` };
  const company = reusePort ? COMPANY.anybody : followed ? COMPANY.followers : COMPANY.nobody;
  const fd = check(native.listenTcp(host, port, ipv6Only, backlog, company), 'listen', where);
  return { fd, unlink() {} };
}

/** @internal Opens one more socket on the address of `fd`. */
export function openFollower(fd: number, backlog: number): number {
  return (
    inheritedFollower(fd) ?? registerFollower(fd, check(native.listenBeside(fd, backlog), 'listen'))
  );
}

/**
 * Opens a listening socket without accepting connections. Connections wait until a process accepts
 * them: a child of {@link fork} with `server.listen({ fd })`, or the workers of {@link prefork}.
 * (With `server.listen()` the event loop of the calling process accepts at once.)
 *
 * So root can bind a privileged port before `becomeDaemon({ user })` and `prefork()`. With
 * `reusePort` you can call it several times for the same port, for `prefork({ balance: 'reuseport'
 * })`.
 *
 * If no process listens on an existing Unix domain socket (`ECONNREFUSED`), its file is replaced.
 * The call locks the directory for this, so that only one of several programs that start at once
 * gets the address. A socket with a listener, a file of another type and a symbolic link stay
 * unchanged.
 *
 * @param options - see {@link ListenOptions}.
 * @returns the descriptor, close-on-exec and non-blocking. The caller must close it. Closing does
 *   not remove the file of a Unix domain socket.
 * @throws `EADDRINUSE`, `EACCES` (a port below 1024 without privileges, a directory),
 *   `EADDRNOTAVAIL`, `ENAMETOOLONG` (a path longer than 107 bytes; 103 on FreeBSD), `EMFILE`, all
 *   with syscall `listen` and `path`, the address as text. `TypeError`, `RangeError` for wrong
 *   options.
 *
 * Source: socket(2), bind(2), listen(2), POSIX.1. The same on Linux and FreeBSD.
 */
export function listeningSocket(options: ListenOptions): number {
  return openListener(listenPlan(options)).fd;
}

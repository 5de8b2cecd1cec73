// A listening socket that nobody accepts from yet: socket(2), bind(2), listen(2).
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

/** Of every kind of socket. */
interface Common {
  /**
   * How many connections may wait to be accepted, from 1; the system has a limit of its own
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
   * IPv4, or by IPv4 alone where there is no IPv6.
   */
  host?: string | undefined;
  /** With an IPv6 address: take no IPv4 connections. Default: false. */
  ipv6Only?: boolean | undefined;
  /**
   * Other sockets of the same user may listen on the port, those that have this option too: each has a
   * queue of its own, over which the kernel spreads connections. It is SO_REUSEPORT, on FreeBSD
   * SO_REUSEPORT_LB. Default: false.
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
   * The file name of the socket. A file that a server has left behind which
   * accepts nothing any more, as it was killed, is replaced.
   */
  path: string;
  /**
   * The permissions of that file, 0 to 0o777, whatever the umask is: users who may write to it may connect.
   * Default: 0o777 less the umask.
   */
  mode?: number | undefined;
  /** Besides, everybody may read the file. Default: false. */
  readableAll?: boolean | undefined;
  /** Besides, everybody may write to it, and so connect. Default: false. */
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

/** @internal What Node's own servers ask for. */
export const BACKLOG = 511;

function address(value: unknown, name: string): string {
  const host = string(value, name);
  if (isIP(host) === 0) throw invalidArgValue(name, value, 'must be an IP address');
  return host;
}

/** Permissions that are given to user, group and others. */
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

/** @internal Checks the options and makes them complete; no system call. */
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

/** Who else may listen there (cpp/sys/listen.h). */
const COMPANY = { nobody: 0, anybody: 1, followers: 2 } as const;

/**
 * @internal Opens what was planned, or takes what a predecessor has handed over.
 *
 * @param followed - others will follow there ({@link openFollower}), while nobody is there now.
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

/** @internal One more socket where one listens that is followed. */
export function openFollower(fd: number, backlog: number): number {
  return (
    inheritedFollower(fd) ?? registerFollower(fd, check(native.listenBeside(fd, backlog), 'listen'))
  );
}

/**
 * Opens a listening socket that this process does not accept from: connections wait until a process
 * does, `server.listen({ fd })` in a child of {@link fork} or the workers of {@link prefork}. With
 * `server.listen()` the event loop of the process that called it accepts at once.
 *
 * A privileged port can so be bound by root, before `becomeDaemon({ user })` and `prefork()`. With
 * `reusePort` it can be called again for the same port, for `prefork({ balance: 'reuseport' })`.
 *
 * The file of a Unix domain socket on which no process listens (`ECONNREFUSED`) is replaced, under a
 * lock of its directory, so that of several programs that start at once one gets it. What another process
 * listens to, is no socket, or is a symbolic link stays as it is.
 *
 * @param options - see {@link ListenOptions}.
 * @returns the descriptor, close-on-exec and non-blocking; the caller's to close. The file of a Unix
 *   domain socket is not removed then.
 * @throws `EADDRINUSE`, `EACCES` (a port below 1024 without privileges, a directory), `EADDRNOTAVAIL`,
 *   `ENAMETOOLONG` (a path beyond 107 bytes; 103 on FreeBSD), `EMFILE`, all with syscall `listen` and
 *   `path`, the address as text. `TypeError`, `RangeError` for wrong options.
 *
 * Source: socket(2), bind(2), listen(2), POSIX.1. The same on Linux and FreeBSD.
 */
export function listeningSocket(options: ListenOptions): number {
  return openListener(listenPlan(options)).fd;
}

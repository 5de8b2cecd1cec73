// A listening socket that nobody accepts from yet: socket(2), bind(2), listen(2).
import { isIP } from 'node:net';
import { check, invalidArgType, invalidArgValue } from './errors.js';
import { native } from './native.js';
import { boolean, INT_MAX, integer, options, path, string } from './validate.js';

/** Where {@link listeningSocket} listens: a `port`, or a `path`. */
export interface ListenOptions {
  /** The TCP port, 0 to 65535; 0 lets the kernel choose one. */
  port?: number;
  /**
   * The IP address to listen on, not a name. Default: all addresses of the machine, by IPv6 and
   * IPv4, or by IPv4 alone where there is no IPv6.
   */
  host?: string;
  /** With an IPv6 address: take no IPv4 connections. Default: false. */
  ipv6Only?: boolean;
  /** The file name of a Unix domain socket, instead of `port`. */
  path?: string;
  /**
   * How many connections may wait to be accepted, from 1; the system has a limit of its own
   * (net.core.somaxconn). Default: 511.
   */
  backlog?: number;
}

const KNOWN = ['port', 'host', 'ipv6Only', 'path', 'backlog'] as const;

/** What Node's own servers ask for. */
export const BACKLOG = 511;

function address(value: unknown, name: string): string {
  const host = string(value, name);
  if (isIP(host) === 0) throw invalidArgValue(name, value, 'must be an IP address');
  return host;
}

/** Checks the options and makes them complete; no system call. */
export function listenPlan(value: unknown, name = 'options') {
  const given = options<ListenOptions>(value ?? null, KNOWN, name);
  const backlog = integer(given.backlog ?? BACKLOG, `${name}.backlog`, 1, INT_MAX);
  if (given.path === undefined) {
    if (given.port === undefined) throw invalidArgType(`${name}.port`, 'of type number', undefined);
    const port = integer(given.port, `${name}.port`, 0, 65535);
    const host = given.host === undefined ? '' : address(given.host, `${name}.host`);
    return { port, host, ipv6Only: boolean(given.ipv6Only ?? false, `${name}.ipv6Only`), backlog };
  }
  for (const key of ['port', 'host', 'ipv6Only'] as const) {
    if (given[key] === undefined) continue;
    throw invalidArgValue(`${name}.${key}`, given[key], 'does not go with a path');
  }
  return { path: path(given.path, `${name}.path`), backlog };
}

export type ListenPlan = ReturnType<typeof listenPlan>;

/** Opens what was planned. */
export function openListener(plan: ListenPlan): number {
  const { backlog } = plan;
  if ('path' in plan) {
    return check(native.listenUnix(plan.path, backlog), 'listen', { path: plan.path });
  }
  const { host, port, ipv6Only } = plan;
  const where = { path: `${host.includes(':') ? `[${host}]` : host || '*'}:${port}` };
  return check(native.listenTcp(host, port, ipv6Only, backlog), 'listen', where);
}

/**
 * Opens a listening socket that this process does not accept from: connections wait until somebody
 * does, `server.listen({ fd })` in a child of {@link fork} or the workers of {@link prefork}. With
 * `server.listen()` the event loop of the process that called it accepts at once.
 *
 * A privileged port can so be bound by root, before `becomeDaemon({ user })` and `prefork()`.
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
  return openListener(listenPlan(options));
}

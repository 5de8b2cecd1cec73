// Listening sockets that a program hands over to its successor.
import { resolve } from 'node:path';
import { native } from '../addon/native.js';
import { fstatOf } from '../system/file-id.js';
import { claimSocket, succession } from '../system/succession.js';
import { type Listener, takenUnixListener } from './listen-unix.js';

type Plan = { path: string } | { port: number; host: string; ipv6Only: boolean };

/** Identifies a socket by its requested address, not by the address that the kernel chose. */
export function addressOf(plan: Plan): string {
  if ('path' in plan) return `unix ${resolve(plan.path)}`;
  return `tcp ${plan.port} ${plan.host} ${plan.ipv6Only}`;
}

/**
 * The predecessor's socket, which keeps listening without a break; undefined if the predecessor had
 * none there.
 */
export function inheritedListener(plan: Plan, address: string): Listener | undefined {
  const found = claimSocket(address, 'port' in plan ? plan.port : 0);
  if (found === undefined) return undefined;
  const { fd, file } = found;
  return registered(
    file === undefined ? { fd, unlink() {} } : takenUnixListener(fd, file),
    address,
    plan,
  );
}

/** Registers a socket to be handed over as long as it is open. */
export function registered(listener: Listener, address: string, plan: Plan): Listener {
  const { fd } = listener;
  const port = Math.max(native.localPort(fd), 0);
  const file = 'path' in plan ? resolve(plan.path) : undefined;
  succession.sockets.set(fd, { address, port, fd, id: fstatOf(fd), file });
  return listener;
}

const followerOf = (first: number) => `follower of ${succession.sockets.get(first)?.address}`;

/** The next socket that follows on the same address. */
export function inheritedFollower(first: number): number | undefined {
  const found = claimSocket(followerOf(first), 0);
  return found && registerFollower(first, found.fd);
}

export function registerFollower(first: number, fd: number): number {
  const address = followerOf(first);
  const { port = 0 } = succession.sockets.get(first) ?? {};
  succession.sockets.set(fd, { address, port, fd, id: fstatOf(fd), file: undefined });
  return fd;
}

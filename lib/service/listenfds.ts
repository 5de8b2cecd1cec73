// Sockets that a service manager has opened and passed on: sd_listen_fds(3).

import { native } from '../addon/native.js';
import { check } from '../base/errors.js';
import { boolean, options } from '../base/validate.js';
import { passedDescriptors, START } from '../system/listen-environment.js';

/** A descriptor that a service manager has passed; see {@link listenFds}. */
export interface ListenFd {
  /** The descriptor's number, 3 or above. The caller must close it. */
  fd: number;
  /**
   * FileDescriptorName= of the socket unit, by default the unit's name; `stored` or FDNAME for a
   * descriptor of the descriptor store, `connection` with Accept=yes, `unknown` if LISTEN_FDNAMES
   * has no name.
   */
  name: string;
}

/** Options of {@link listenFds}. */
export interface ListenFdsOptions {
  /**
   * Remove LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES from `process.env`. Then a second call returns
   * an empty list, and {@link closeInherited} closes the sockets. Default: false.
   */
  unsetEnvironment?: boolean | undefined;
}

const VARIABLES = ['LISTEN_PID', 'LISTEN_PIDFDID', 'LISTEN_FDS', 'LISTEN_FDNAMES'];

/**
 * Returns the descriptors that a service manager has passed, by socket activation or from its
 * descriptor store, in order. Each becomes close-on-exec.
 *
 * `server.listen({ fd })` of `node:net`, `node:http`, `node:https` serves stream sockets, TCP and
 * Unix (path and abstract); `socket.bind({ fd })` of `node:dgram` UDP; `new net.Socket({ fd })` a
 * connection of Accept=yes. Node does not support Unix datagram and SOCK_SEQPACKET sockets
 * (`ERR_INVALID_FD_TYPE`, `EINVAL`). A Unix socket's file stays when the server is closed, because
 * it belongs to the service manager.
 *
 * A child of {@link fork} gets the same list as its parent. Started programs get an empty list,
 * because LISTEN_PID names another process.
 *
 * @param opts - see {@link ListenFdsOptions}.
 * @returns a list; empty if LISTEN_PID names another process, or LISTEN_FDS is not a number above
 *   0.
 * @throws `EBADF` (syscall `fcntl`) if a descriptor is not open. `TypeError` for wrong options.
 *
 * The same on Linux and FreeBSD.
 *
 * Source: sd_listen_fds(3), sd_listen_fds_with_names(3); systemd.socket(5).
 */
export function listenFds(opts?: ListenFdsOptions): ListenFd[] {
  const given = options<ListenFdsOptions>(opts, ['unsetEnvironment']);
  const unset = boolean(given.unsetEnvironment ?? false, 'options.unsetEnvironment');
  const fds = passedDescriptors();
  const names = process.env.LISTEN_FDNAMES?.split(':') ?? [];
  if (unset) for (const name of VARIABLES) delete process.env[name];
  for (const fd of fds) check(native.closeOnExec(fd), 'fcntl');
  const last = fds.at(-1);
  if (last !== undefined) check(native.closeRange(START, last, true, 0), 'fcntl');
  return fds.map((fd, at) => ({ fd, name: names[at] || 'unknown' }));
}

/** The variables that contain the pid of their process. */
const ADDRESSED = ['LISTEN_PID', 'WATCHDOG_PID'];

/** Those that name this pid. */
export function addressedTo(pid: number): string[] {
  return ADDRESSED.filter((name) => Number(process.env[name]) === pid);
}

/** After the forks of becomeDaemon(): variables for the launcher now apply to the daemon. */
export function addressToSelf(launcher: number): void {
  for (const name of addressedTo(launcher)) process.env[name] = `${process.pid}`;
  // The inode of the launcher's pidfd, by which systemd 258 verifies LISTEN_PID.
  delete process.env.LISTEN_PIDFDID;
}

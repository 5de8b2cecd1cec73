// Sockets that a service manager has opened and passed on: sd_listen_fds(3).

import { native } from '../addon/native.js';
import { check } from '../base/errors.js';
import { boolean, options } from '../base/validate.js';
import { passedDescriptors, START } from '../system/listen-environment.js';

/** A descriptor that a service manager has passed; see {@link listenFds}. */
export interface ListenFd {
  /** Its number, 3 or above: the caller's to close. */
  fd: number;
  /**
   * FileDescriptorName= of the socket unit, by default the unit's name; `stored` or FDNAME for one
   * of the descriptor store, `connection` with Accept=yes, `unknown` if LISTEN_FDNAMES has none.
   */
  name: string;
}

/** Options of {@link listenFds}. */
export interface ListenFdsOptions {
  /**
   * Remove LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES from `process.env`. A second call returns
   * nothing then, and {@link closeInherited} does not spare the sockets. Default: false.
   */
  unsetEnvironment?: boolean | undefined;
}

const VARIABLES = ['LISTEN_PID', 'LISTEN_PIDFDID', 'LISTEN_FDS', 'LISTEN_FDNAMES'];

/**
 * The descriptors that a service manager has passed, by socket activation or from its descriptor
 * store, in their order. Each becomes close-on-exec.
 *
 * `server.listen({ fd })` of `node:net`, `node:http`, `node:https` serves stream sockets, TCP and
 * Unix (path and abstract); `socket.bind({ fd })` of `node:dgram` UDP; `new net.Socket({ fd })` a
 * connection of Accept=yes. Node has nothing for Unix datagram and SOCK_SEQPACKET sockets
 * (`ERR_INVALID_FD_TYPE`, `EINVAL`). A Unix socket's file stays when the server is closed: it is the
 * service manager's.
 *
 * A child of {@link fork} gets what its parent would; programs that are started get nothing, as
 * LISTEN_PID is another process's.
 *
 * @param opts - see {@link ListenFdsOptions}.
 * @returns a list, empty if LISTEN_PID names another process or LISTEN_FDS no number above 0.
 * @throws `EBADF` (syscall `fcntl`) if one is not open. `TypeError` for wrong options.
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

/** The variables that name the process they are meant for. */
const ADDRESSED = ['LISTEN_PID', 'WATCHDOG_PID'];

/** Those of them that are meant for a process. */
export function addressedTo(pid: number): string[] {
  return ADDRESSED.filter((name) => Number(process.env[name]) === pid);
}

/** After becomeDaemon()'s forks: what was addressed to the launcher is the daemon's. */
export function addressToSelf(launcher: number): void {
  for (const name of addressedTo(launcher)) process.env[name] = `${process.pid}`;
  // The inode of the launcher's pidfd, by which systemd 258 makes sure of LISTEN_PID.
  delete process.env.LISTEN_PIDFDID;
}

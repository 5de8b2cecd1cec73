// Listening sockets, from Linux's /proc/net; none on other systems.
import { procLinks, procText } from './procfs.js';

/** A listening socket, by its inode. */
interface Listener {
  inode: string;
  /** The port, or the path of a Unix socket. */
  at: number | string;
}

/** TCP_LISTEN in the field `st`, proc_pid_net(5). */
const LISTENING = '0A';

function tcpListeners(table: string): Listener[] {
  return (procText(`net/${table}`) ?? '').split('\n').flatMap((line) => {
    const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
    if (state !== LISTENING || local === undefined || inode === undefined) return [];
    return { inode, at: Number.parseInt(local.split(':')[1] ?? '', 16) };
  });
}

/** SO_ACCEPTCON in the field `Flags`, include/uapi/linux/net.h. */
const ACCEPTS = 0x10000;

function unixListeners(): Listener[] {
  return (procText('net/unix') ?? '').split('\n').flatMap((line) => {
    const [, flags = '', inode = '', at = ''] =
      /^\S+ \S+ \S+ (\S+) \S+ \S+\s+(\d+) (.+)$/.exec(line) ?? [];
    return (Number.parseInt(flags, 16) & ACCEPTS) === 0 ? [] : { inode, at };
  });
}

/** All listening sockets of this network namespace. */
export function listeners(): Listener[] {
  return [...tcpListeners('tcp'), ...tcpListeners('tcp6'), ...unixListeners()];
}

/** The ports and paths on which a process listens. */
export function listensAt(pid: number | 'self'): Set<number | string> {
  let links: [fd: number, target: string][];
  try {
    links = procLinks(pid);
  } catch {
    return new Set(); // it has ended
  }
  const inodes = new Set(links.map(([, target]) => /^socket:\[(\d+)\]$/.exec(target)?.[1]));
  return new Set(listeners().flatMap(({ inode, at }) => (inodes.has(inode) ? [at] : [])));
}

// What the descriptors of this process are, as far as becomeDaemon() must know.
import { constants, fstatSync, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { isatty } from 'node:tty';

/** A descriptor and the file that it leads to: a number alone may be another file's by now. */
interface Known {
  fd: number;
  dev: bigint;
  ino: bigint;
}

/** What to do with the descriptors above 2; see {@link survey}. */
export interface Survey {
  /** The event loops' epolls. */
  epolls: number[];
  /** Other numbers for the terminal; libuv opens one for each of process.stdin, stdout, stderr. */
  terminals: number[];
  /** What whoever started this program has left open. */
  inherited: number[];
}

interface Table {
  targets: Map<number, string>;
  epolls: number[];
  /** Registered in an epoll: the event loop's. */
  polled: Set<number>;
}

function table(): Table {
  const targets = new Map<number, string>();
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      targets.set(Number(name), readlinkSync(`/proc/self/fd/${name}`));
    } catch {
      // That of the listing itself, closed again; or another thread's.
    }
  }
  const epolls = [...targets.keys()].filter((fd) => targets.get(fd) === 'anon_inode:[eventpoll]');
  const polled = new Set<number>();
  for (const epoll of epolls) {
    const info = readFileSync(`/proc/self/fdinfo/${epoll}`, 'latin1');
    for (const [, fd] of info.matchAll(/^tfd:\s*(\d+)/gm)) polled.add(Number(fd));
  }
  return { targets, epolls, polled };
}

function identity(fd: number): Known | undefined {
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    return { fd, dev, ino };
  } catch {
    return undefined;
  }
}

/** Pipes whose two ends are here, above the standard descriptors: how threads wake each other. */
function wakers(targets: Map<number, string>): Set<string> {
  const pipes = [...targets].filter(([fd, target]) => fd > 2 && target.startsWith('pipe:'));
  // The link's mode tells what the descriptor is open for; one end may well have two numbers.
  const ends = (bit: number) =>
    new Set(pipes.flatMap(([fd, target]) => (linkMode(fd) & bit ? target : [])));
  const writable = ends(constants.S_IWUSR);
  return new Set([...ends(constants.S_IRUSR)].filter((target) => writable.has(target)));
}

function linkMode(fd: number): number {
  return lstatSync(`/proc/self/fd/${fd}`, { throwIfNoEntry: false })?.mode ?? 0;
}

// Node sets close-on-exec on what it inherits as well, so that the flag tells nothing, and a file
// that was inherited looks like one that the program has opened. The difference is time: what is
// there when this module is loaded, and is not of a kind that the runtime uses, was inherited.
function foundAtStart(): Known[] {
  try {
    const { targets, polled } = table();
    const runtime = wakers(targets);
    return [...targets]
      .filter(([fd, target]) => fd > 2 && !polled.has(fd) && !runtime.has(target))
      .filter(([fd, target]) => !/^anon_inode:|^\/dev\/null$/.test(target) && !isatty(fd))
      .flatMap(([fd]) => identity(fd) ?? []);
  } catch {
    // Without /proc there is no live fork either, and so no daemon that could inherit anything.
    return [];
  }
}

const atStart = foundAtStart();

/** Descriptors that were passed on purpose: the IPC channel's, and a service manager's sockets. */
function passed(): Set<number> {
  const { NODE_CHANNEL_FD, LISTEN_FDS, LISTEN_PID } = process.env;
  const fds = new Set([Number(NODE_CHANNEL_FD ?? -1)]);
  const sockets = Number(LISTEN_PID) === process.pid ? Number(LISTEN_FDS) : 0;
  for (let fd = 3; fd < 3 + sockets; fd++) fds.add(fd);
  return fds;
}

/** What was inherited and is still there, unused by the event loop. */
function inherited(polled: Set<number>): Known[] {
  const wanted = passed();
  return atStart.filter((known) => {
    const now = identity(known.fd);
    if (now?.dev !== known.dev || now.ino !== known.ino) return false;
    return !polled.has(known.fd) && !wanted.has(known.fd);
  });
}

/** The device numbers that lead to the terminal: those of 0-2, and /dev/tty. */
export function terminalDevices(): Set<number> {
  const devices = [0, 1, 2].filter((fd) => isatty(fd)).map((fd) => fstatSync(fd).rdev);
  const controlling = readFileSync('/proc/self/stat', 'latin1').split(') ').pop()?.split(' ')[4];
  // /dev/tty is character device 5, 0 on every Linux.
  return new Set([...devices, Number(controlling), 0x500]);
}

/**
 * Looks the descriptors through. It needs /proc, which a chroot does not have.
 *
 * @param terminal - what {@link terminalDevices} said before the session changed.
 * @param keep - descriptors to leave out.
 */
export function survey(terminal: Set<number>, keep: readonly number[]): Survey {
  const { targets, epolls, polled } = table();
  const fds = [...targets.keys()].filter((fd) => fd > 2 && !keep.includes(fd));
  return {
    epolls,
    terminals: fds.filter((fd) => isatty(fd) && terminal.has(fstatSync(fd).rdev)),
    inherited: inherited(polled)
      .map(({ fd }) => fd)
      .filter((fd) => !keep.includes(fd)),
  };
}

// Kernel objects in fixtures: made by the tests' addon, looked at in parent and child.
import { strict as assert } from 'node:assert';
import { readSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { _exit, fork, waitpid } from 'daemonkit';

type Call = (...values: number[]) => number;
const native = createRequire(import.meta.url)(
  '../../../test/native/build/Release/test_faults.node',
) as Record<string, Call>;
export const EAGAIN = -11;

export function call(name: string, ...values: number[]): number {
  const result = (native[name] as Call)(...values);
  if (result < 0 && result !== EAGAIN) throw new Error(`${name}: errno ${-result}`);
  return result;
}

/** Has a system call fail from now on, for good; 0 or an errno. */
export const refuse = native.refuse as unknown as (name: string, errno: number) => number;

/** Runs f in a child, then g in the parent when the child has ended well. */
export function both(f: () => void, g: () => void = f): void {
  const pid = fork();
  if (pid === 0) {
    try {
      f();
    } catch (error) {
      writeSync(2, `child: ${(error as Error).stack}\n`);
      _exit(1);
    }
    _exit(0);
  }
  assert.equal(waitpid(pid)?.exitCode, 0);
  g();
}

/** An eventfd's or timerfd's count, taken; EAGAIN if it is zero. */
export function take(fd: number): number {
  const bytes = Buffer.alloc(8);
  try {
    readSync(fd, bytes);
  } catch (error) {
    return (error as { errno: number }).errno;
  }
  return Number(bytes.readBigUInt64LE());
}

export function readText(fd: number): string {
  const bytes = Buffer.alloc(65536);
  try {
    return bytes.toString('utf8', 0, readSync(fd, bytes));
  } catch (error) {
    return String((error as { code: string }).code);
  }
}

/** Two numbers that a call of the addon gives in one. */
const two = (both: number) => [Math.floor(both / 65536), both % 65536] as const;
/** A pipe's read and write end. */
export const ends = (flags: number) => two(call('pipe', flags));
/** Both ends of a socketpair. */
export const pair = (type: number) => two(call('socketpair', type));
export const O_CLOEXEC = 0o2000000;
export const O_NONBLOCK = 0o4000;

/** An epoll that is not libuv's. */
export const ownEpoll = () => call('epoll', O_CLOEXEC);
/** The first descriptor that it reports, or EAGAIN. */
export const ready = (epoll: number) => call('epollWait', epoll, 0);

/** Sleeps without the event loop. */
export const sleepNow = (ms: number) =>
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms) === 'timed-out';

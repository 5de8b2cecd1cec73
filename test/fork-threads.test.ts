// Native threads that hold locks, run on small stacks or have restrictions of their own.
import { isBuiltin } from 'node:module';
import { test } from 'node:test';
import { needsRoot } from './tools/needs.js';
import { succeeds } from './tools/run.js';

for (const [name, title] of [
  ['smallStack', 'a thread on a small stack with an alternate one: nothing below is overwritten'],
  ['edge', 'an instruction of one byte at the end of what is mapped'],
  ['recursive', 'a recursive mutex held over a sleep is unlocked in parent and child'],
  ['errorChecking', 'an error-checking one'],
  ['robust', 'a robust one'],
  ['priorityInheritance', 'one with priority inheritance'],
  ['inEpoll', 'one held over an epoll_wait(2) with a time limit'],
  ['forCondition', 'one held over a wait for a condition with a time limit'],
  ['forSemaphore', 'one held over a wait for a semaphore with a time limit'],
  ['unlimited', 'one held over a wait for a condition without a limit'],
  ['inUvCond', 'one held over uv_cond_wait()'],
  ['caller', 'a mutex or a stream that the forking thread holds is its own in parent and child'],
  ['shared', 'a robust mutex in shared memory stays the parent’s'],
  ['abort', 'abort(3) of a thread ends the child, not its parent'],
  ['collecting', 'the copy of a Worker that collects garbage goes on'],
  ['receiving', 'recvmmsg(2) with SO_RCVTIMEO ends in time in parent and child'],
  ['accepting', 'accept(2) with SO_RCVTIMEO'],
  ['calls', 'calls go on whose number is far before them, where /proc tells nobody'],
] as const) {
  test(title, async () => void (await succeeds('threads.js', [name], { timeout: 120_000 })));
}

for (const [name, title] of [
  ['noNewPrivileges', 'a thread with no_new_privs of its own: refused'],
  ['seccomp', 'a thread with a seccomp filter of its own: refused'],
  ['user', 'a thread with a user of its own: refused'],
  ['fileSystem', 'a thread that unshared its working directory: refused'],
  ['descriptors', 'a thread that unshared its descriptors: refused'],
  ['bounds', 'a thread with a capability bounding set of its own: refused'],
  ['secureBits', 'a thread with securebits of its own: refused'],
  ['hostName', 'a thread in a UTS namespace of its own: refused'],
  ['ipc', 'a thread in an IPC namespace of its own: refused'],
  ['pids', 'a thread whose children are in a PID namespace of their own: refused'],
  ['setuid', 'setuid() in the child reaches a thread that keeps its parent’s id'],
] as const) {
  test(title, needsRoot, async () => void (await succeeds('threads.js', [name])));
}

const noSqlite = isBuiltin('node:sqlite') ? false : 'needs node:sqlite (Node 22.13)';
test('fork() in a callback of node:sqlite', { skip: noSqlite }, async () => {
  await succeeds('threads.js', ['sqlite']);
});

// System calls of fork() that fail, in the parent or in the child before its threads are back: strace
// attaches to the process and lets each thread's first such call fail. `npm run faults` tries more.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forkPlaces } from './tools/faults-fork.js';
import { Forker } from './tools/forked.js';
import { needsStrace } from './tools/needs.js';
import { errorOf, inject } from './tools/strace.js';

const cases: [call: string, error: string, syscall: string, where: string][] = [
  ['openat', 'EMFILE', 'open', 'parent'],
  ['clone', 'ENOMEM', 'clone', 'parent'],
  ['rt_sigaction', 'EPERM', 'rt_sigaction', 'parent'],
  ['mmap', 'ENOMEM', 'mmap', 'parent'],
  ['getdents64', 'ENOMEM', 'getdents64', 'parent'],
  ['ioctl', 'ENOTTY', 'ioctl', 'parent'],
  ['tee', 'ENOMEM', 'tee', 'parent'],
  ['pipe2', 'ENFILE', 'pipe2', 'parent'],
  ['eventfd2', 'ENOMEM', 'eventfd2', 'child'],
  ['epoll_create1', 'EMFILE', 'epoll_create1', 'child'],
  ['epoll_ctl', 'ENOSPC', 'epoll_ctl', 'child'],
  ['dup3', 'EBUSY', 'dup3', 'child'],
];
const rings = Number.parseInt(process.versions.node, 10) >= 22;
if (rings) cases.push(['io_uring_setup', 'ENOMEM', 'io_uring_setup', 'child']);

// One process for all: after each fault it must be as good as before.
const forker = needsStrace.skip ? undefined : new Forker();

for (const [call, error, syscall, where] of cases) {
  test(
    `${call} fails in the ${where}: ${error}, parent intact, no child left`,
    needsStrace,
    async () => {
      assert.deepEqual(await forker?.round(...inject(call, `error=${error}`)), {
        code: error,
        syscall,
      });
    },
  );
}

test(
  'every other call that a fork makes: an error or a child, never harm',
  needsStrace,
  async () => {
    const known = cases.map(([call]) => call);
    const others = (await forkPlaces()).filter(
      ({ call, when }) => when === 1 && !known.includes(call),
    );
    assert.ok(others.length > 8, `${others.length} calls`);
    for (const { call } of others) {
      const told = await forker?.round(...inject(call, `error=${errorOf(call)}`));
      assert.ok(told && !told.harm && (told.code ?? told.child === 7), `${call}: ${told?.harm}`);
    }
  },
);

test('a child that is killed while it comes up: EAGAIN', needsStrace, async () => {
  for (const call of ['set_tid_address', 'epoll_create1', 'dup3']) {
    const told = await forker?.round(...inject(call, 'signal=KILL'));
    assert.deepEqual(told, { code: 'EAGAIN', syscall: 'fork' }, call);
  }
});

test('the process that all this was done to ends in good order', needsStrace, async () => {
  await forker?.end();
});

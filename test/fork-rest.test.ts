// Threads that wait for work stay asleep while the process forks again and again.
import { test } from 'node:test';
import { needsRoot } from './tools/needs.js';
import { libc } from './tools/package.js';
import { succeeds } from './tools/run.js';

const onlyGlibc = { skip: libc === 'musl' && 'on musl each fork wakes the waiting threads' };
test('a fork wakes no thread that waits for work', onlyGlibc, async () => {
  await succeeds('rest.js', ['asleep']);
});

for (const [name, title] of [
  ['works', 'work that was given to them before and after the fork is done in both processes'],
  ['changed', 'a name and a priority that another thread gives them are the copy’s too'],
  ['order', 'a child lists its threads as its parent does'],
  ['signalled', 'signals are handled on them, and forks come in between'],
  ['full', 'without a free descriptor nothing is taken for equal'],
  ['launcher', 'becomeDaemon() after a fork: the launcher handles no signal of the script'],
  ['killed', 'a parent killed in the middle of its forks leaves no child'],
] as const) {
  test(title, async () => void (await succeeds('rest.js', [name], { timeout: 120_000 })));
}

for (const [name, title] of [
  ['setuid', 'setuid() and setegid() reach them in parent and child'],
  ['noNewPrivileges', 'the caller alone sets no_new_privs: refused'],
  ['seccomp', 'the caller alone has a seccomp filter: refused'],
  ['user', 'the caller alone changes its user: refused'],
  ['fileSystem', 'the caller alone unshares its working directory: refused'],
  ['descriptors', 'the caller alone unshares its descriptors: refused'],
  ['bounds', 'the caller alone drops a capability from its bounding set: refused'],
  ['secureBits', 'the caller alone changes its securebits: refused'],
  ['hostName', 'the caller alone enters a UTS namespace: refused'],
] as const) {
  test(title, needsRoot, async () => void (await succeeds('rest.js', [name])));
}

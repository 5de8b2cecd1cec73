// Native threads that hold locks, run on small stacks or have restrictions of their own.
import { builtinModules } from 'node:module';
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
] as const) {
  test(title, async () => void (await succeeds('threads.js', [name])));
}

for (const [name, title] of [
  ['noNewPrivileges', 'a thread with no_new_privs of its own: refused'],
  ['seccomp', 'a thread with a seccomp filter of its own: refused'],
  ['user', 'a thread with a user of its own: refused'],
  ['fileSystem', 'a thread that unshared its working directory: refused'],
  ['descriptors', 'a thread that unshared its descriptors: refused'],
  ['setuid', 'setuid() in the child reaches a thread that keeps its parent’s id'],
] as const) {
  test(title, needsRoot, async () => void (await succeeds('threads.js', [name])));
}

const noSqlite = builtinModules.includes('node:sqlite') ? false : 'needs node:sqlite (Node 22.13)';
test('fork() in a callback of node:sqlite', { skip: noSqlite }, async () => {
  await succeeds('threads.js', ['sqlite']);
});

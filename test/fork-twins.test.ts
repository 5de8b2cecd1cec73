// Kernel objects of the process's own: the child has a private twin of each, with the same state.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { succeeds } from './tools/run.js';

const cases: [string, string][] = [
  ['eventfd', 'an eventfd keeps its count, its kind and its duplicates'],
  ['privatePipe', 'a close-on-exec pipe keeps its unread bytes'],
  ['sharedPipe', 'a pipe for others stays one pipe'],
  ['timerfd', 'a timerfd keeps what it has counted and what is left'],
  ['signalfd', 'a signalfd stays non-blocking and readable'],
  ['epoll', 'an epoll keeps its registrations, also of another epoll'],
  ['staleEpoll', 'an epoll does not take up the next file of a closed number'],
  ['ring', 'an io_uring ring keeps its queued entries in their slots'],
  ['ringWithCompletions', 'a ring with untaken completions: EAGAIN, and later it works'],
  ['many', 'ten thousand descriptors, with no number free and with most of them free'],
  ['quiesce', 'quiesce() waits for the thread pool, or says that it is busy'],
];
for (const [name, title] of cases) {
  test(title, async () => {
    assert.equal(await succeeds('twins.js', [name]), 'done\n');
  });
}

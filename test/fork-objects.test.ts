// What is rare about kernel objects: carried as it is, or refused, or documented.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { needsRoot } from './tools/needs.js';
import { succeeds } from './tools/run.js';

type Case = [name: string, title: string, needs?: object];
/** By the fixture that has them. */
const cases: Record<string, Case[]> = {
  'objects.js': [
    ['oneshot', 'EPOLLONESHOT that has fired stays disarmed'],
    ['flags', 'EPOLLET and EPOLLEXCLUSIVE'],
    ['duplicates', 'registrations of a closed number live on by a duplicate'],
    ['packets', 'a packet pipe keeps its packets'],
    ['capacity', 'pipes keep their size, full or empty'],
    ['timers', 'a timerfd keeps every expiration that was not read, and its time'],
    ['plain', 'without close-on-exec: private if this process wakes itself by it'],
    ['pairs', 'a socketpair that is watched keeps messages, bounds and ends'],
    ['descriptorUnderWay', 'a socketpair with a descriptor under way is at its end'],
    ['sharedPair', 'a socketpair that nobody watches is shared'],
    ['mainToo', 'what the main loop has as well is shared'],
    ['crowd', 'thousands of private objects'],
  ],
  'objects-refused.js': [
    ['foreignRings', "io_uring rings that are not libuv's: ENOTSUP at once"],
    ['denied', 'a filter: statx(2) is done without, readlinkat(2) is named'],
    ['userfault', 'a userfaultfd that asks for forks: ENOTSUP', needsRoot],
    ['systemV', 'a thread in msgrcv(2): ENOTSUP, while it lasts'],
  ],
};
for (const [fixture, all] of Object.entries(cases)) {
  for (const [name, title, needs = {}] of all) {
    test(title, needs, async () => {
      assert.equal(await succeeds(fixture, [name]), 'done\n');
    });
  }
}

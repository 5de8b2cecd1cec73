// The parent is never harmed by fork().
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { succeeds } from './tools/run.js';

for (const [scenario, title] of Object.entries({
  wakeUps: 'no wake-up is lost: timers, files, sockets, thread pool, spawn go on over 150 forks',
  signalState: 'no signal is left altered, in no thread, neither here nor in the child',
  descriptorTables: 'no descriptor is left behind, and the child has the same numbers',
  noZombies: 'no zombie is left',
  mappingsKept: 'MADV_DONTFORK is back on and no mapping piles up',
})) {
  test(title, async () => {
    assert.equal(await succeeds('parent.js', [scenario], { timeout: 90_000 }), 'done\n');
  });
}

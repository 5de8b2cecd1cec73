// Worker threads in the master: refused, in words that prefork() understands, or carried.
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { Grouped } from './tools/grouped.js';

test('threads: refused by default; the option that the refusal names carries them into the workers', async (t) => {
  const group = new Grouped(
    t,
    `import { Worker } from 'node:worker_threads';
    const code = 'import { parentPort } from "node:worker_threads"; parentPort.on("message", (n) => parentPort.postMessage(n + 1))';
    const thread = new Worker(code, { eval: true });
    await new Promise((resolve) => thread.once('online', resolve));
    const ask = (n) => new Promise((resolve) => { thread.once('message', resolve); thread.postMessage(n); });
    const onWorkerStart = async () => say('thread', await ask(1));
    try { prefork({ onWorkerStart, workers: 1 }); } catch ({ code, message }) { say('refused', code, message); }
    for (const threads of [1]) {
      try { prefork({ onWorkerStart, threads }); } catch ({ code }) { say(code); }
    }
    for (const options of [{ workers: 1, threads: true }, { workers: true }]) {
      const master = prefork({ onWorkerStart, ...options });
      await master.ready;
      say('workers', master.pids.length);
      await master.stop();
    }
    await thread.terminate();`,
  );
  await group.endsWell();
  const [refused] = group.words('refused') as [string, string][];
  assert.equal(refused?.[0], 'ENOTSUP');
  assert.match(refused?.[1] ?? '', /end them first, or pass \{ threads: true \}/);
  assert.deepEqual(group.words('workers'), [[1], [availableParallelism()]]);
  const threads = group.words('thread');
  assert.deepEqual(threads, new Array(1 + availableParallelism()).fill([2]));
  assert.equal(group.words('ERR_INVALID_ARG_TYPE').length, 1);
});

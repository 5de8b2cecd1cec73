import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { native, type Watch } from '../lib/addon/native.js';
import { nativeModule, runScript } from './tools/script.js';

const folder = mkdtempSync(join(tmpdir(), 'daemonkit-watch-'));
const fifo = join(folder, 'fifo');
execFileSync('mkfifo', [fifo]);
after(() => rmSync(folder, { recursive: true }));

function watch(fd: number, callback: (status: number) => void, ref = true): Watch {
  const result = native.watch(fd, callback, ref);
  assert.ok(typeof result !== 'number', `watch() gave ${result}`);
  return result;
}

test('the callback runs on the loop, with promise jobs and nextTicks after it', async () => {
  const fd = openSync(fifo, 'r+');
  const order: string[] = [];
  try {
    await new Promise<void>((resolve) => {
      const watched = watch(fd, (status) => {
        order.push(`readable ${status}`);
        readSync(fd, Buffer.alloc(1));
        process.nextTick(() => order.push('tick'));
        Promise.resolve().then(() => order.push('job'));
        if (order.length < 4) return;
        watched.close();
        watched.close();
        watched.ref();
        watched.unref();
        setImmediate(resolve);
      });
      writeSync(fd, 'ab');
      order.push('watching');
    });
    // Both bytes are one loop turn apart: what the first callback queued ran before the second.
    const turn = ['readable 0', 'tick', 'job'];
    assert.deepEqual(order, ['watching', ...turn, ...turn]);
    writeSync(fd, 'c');
    await sleep(20);
    assert.equal(order.length, 7, 'a closed watch calls no more');
  } finally {
    closeSync(fd);
  }
});

test('what cannot be watched gives -errno, and leaves the loop as it was', () => {
  const fd = openSync(fifo, 'r+');
  const regular = openSync(nativeFile(), 'r');
  try {
    assert.equal(
      native.watch(1_000_000, () => {}, true),
      -9,
    );
    assert.equal(
      native.watch(regular, () => {}, true),
      -1,
    );
    const watched = watch(fd, () => {});
    assert.equal(
      native.watch(fd, () => {}, true),
      -17,
    );
    watched.close();
    watch(fd, () => {}).close();
  } finally {
    closeSync(fd);
    closeSync(regular);
  }
});

function nativeFile(): string {
  return new URL(nativeModule).pathname;
}

test('AsyncLocalStorage of the caller is seen in a promise the callback settles', async () => {
  const storage = new AsyncLocalStorage<string>();
  const fd = openSync(fifo, 'r+');
  try {
    const seen = await storage.run('mine', async () => {
      await new Promise<void>((resolve) => {
        const watched = watch(fd, () => {
          watched.close();
          resolve();
        });
        writeSync(fd, 'a');
      });
      return storage.getStore();
    });
    assert.equal(seen, 'mine');
  } finally {
    closeSync(fd);
  }
});

const opened = `const fd = fs.openSync(${JSON.stringify(fifo)}, 'r+');`;

test('only a ref-ed watch keeps the process alive', () => {
  const free = runScript(`${opened} native.watch(fd, () => {}, false);`);
  assert.deepEqual([free.status, free.stderr], [0, '']);
  const released = runScript(`${opened} native.watch(fd, () => {}, true).unref();`);
  assert.deepEqual([released.status, released.stderr], [0, '']);
  const kept = runScript(`${opened}
    const watched = native.watch(fd, () => {}, false);
    watched.ref();
    setTimeout(() => { console.log('alive'); watched.close(); }, 50).unref();`);
  assert.deepEqual([kept.status, kept.stdout, kept.stderr], [0, 'alive\n', '']);
});

test('a process ends cleanly with an unread byte under a watch that nobody waits for', () => {
  const ended = runScript(`${opened} native.watch(fd, () => {}, false); fs.writeSync(fd, 'a');`);
  assert.deepEqual([ended.status, ended.signal, ended.stderr], [0, null, '']);
});

test('what the callback throws is an uncaught exception', () => {
  const thrown = runScript(`${opened}
    process.once('uncaughtException', (error) => console.log('caught', error.message));
    const watched = native.watch(fd, () => { watched.close(); throw new Error('mine'); }, true);
    fs.writeSync(fd, 'a');`);
  assert.deepEqual([thrown.status, thrown.stdout, thrown.stderr], [0, 'caught mine\n', '']);
});

test('a Worker ends cleanly with a live watch, by its end, process.exit() and terminate()', () => {
  const file = join(folder, 'worker.mjs');
  const ends = ['', 'process.exit(0);', 'parentPort.postMessage(0); setInterval(() => {}, 9);'];
  for (const end of ends) {
    const source = `import { native } from ${JSON.stringify(nativeModule)};
      import fs from 'node:fs';
      import { parentPort } from 'node:worker_threads';
      ${opened}
      native.watch(fd, () => {}, false);
      ${end}`;
    writeFileSync(file, source);
    const ran = runScript(`
      import { Worker } from 'node:worker_threads';
      const worker = new Worker(${JSON.stringify(file)}, { execArgv: [] });
      worker.on('message', () => worker.terminate());
      worker.on('exit', (code) => console.log('ended', code));`);
    assert.match(ran.stdout + ran.stderr, /^ended [01]\n$/);
    assert.deepEqual([ran.status, ran.stderr], [0, '']);
  }
});

// examples/snapshot-store.ts: a saved file shows one moment, and no request fails during the save.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from './tools/daemons.js';
import { cleanEnvironment } from './tools/environment.js';
import { collect } from './tools/output.js';
import { childrenOf, killIfThere } from './tools/proc.js';
import { scratch } from './tools/scratch.js';
import './tools/sweep.js';

const ACCOUNTS = 5000;

async function start(t: TestContext, file: string) {
  const program = fileURLToPath(new URL('../examples/snapshot-store.js', import.meta.url));
  const env = cleanEnvironment({ FILE: file, PORT: '0', ACCOUNTS: `${ACCOUNTS}`, NOTE: '500' });
  const child = spawn(process.execPath, [program], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'exit');
  const output = collect(child);
  t.after(() => killIfThere(child.pid as number));
  const port = await until('it listens', () => /:(\d+)\/save/.exec(output.stdout)?.[1], 60_000);
  return { pid: child.pid as number, port: Number(port), ended, output };
}

const agent = new Agent({ keepAlive: true });

function ask(port: number, path: string): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    request({ port, path, agent }, async (response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      if (response.statusCode === 200) resolve(JSON.parse(text));
      else reject(new Error(`${path}: ${response.statusCode} ${text}`));
    })
      .on('error', reject)
      .end();
  });
}

interface Account {
  balance: number;
  moves: number;
}

function saved(file: string) {
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  const all = lines.map((line) => (JSON.parse(line) as [string, Account])[1]);
  const sum = (key: keyof Account) => all.reduce((total, account) => total + account[key], 0);
  return { accounts: all.length, balance: sum('balance'), moves: sum('moves') };
}

test('the saved file is of one moment, however much is changed meanwhile', async (t) => {
  t.after(() => agent.destroy());
  const folder = scratch(t);
  const file = join(folder, 'store.jsonl');
  const store = await start(t, file);
  let moves = 0;
  let over = false;
  const mover = async (seed: number) => {
    for (let i = seed; !over; i = (i * 48271) % 2147483647) {
      await ask(store.port, `/move/account-${i % ACCOUNTS}/account-${(i >> 4) % ACCOUNTS}`);
      moves++;
    }
  };
  const movers = Promise.all([mover(7), mover(77), mover(777)]);
  let last = 0;
  for (let save = 0; save < 3; save++) {
    const before = moves;
    const [{ bytes }] = await Promise.all([ask(store.port, '/save'), ask(store.port, '/save')]);
    assert.ok(Number(bytes) > ACCOUNTS * 500);
    const found = saved(file);
    assert.deepEqual([found.accounts, found.balance], [ACCOUNTS, 1000 * ACCOUNTS]);
    // Each transfer changes two accounts; a snapshot has both changes or none.
    assert.equal(found.moves % 2, 0);
    assert.ok(found.moves / 2 >= before && found.moves / 2 <= moves + 3);
    assert.ok(found.moves >= last);
    last = found.moves;
    await until('it moves on', () => moves > before + 10, 60_000);
  }
  over = true;
  await movers;
  assert.deepEqual(childrenOf(store.pid), []);
  process.kill(store.pid, 'SIGTERM');
  assert.deepEqual(await store.ended, [0, null], store.output.stderr);
  assert.equal(store.output.stderr, '');
  // The end has saved once more, and nothing else is left.
  assert.deepEqual(saved(file), { accounts: ACCOUNTS, balance: 1000 * ACCOUNTS, moves: 2 * moves });
  assert.deepEqual(readdirSync(folder), ['store.jsonl']);
  const again = await start(t, file);
  const { moves: read } = await ask(again.port, '/get/account-7');
  assert.ok(Number(read) >= 0);
});

// README.md: its programs are those of examples/readme, and do what it says.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Nest, until } from './tools/daemons.js';
import { needsRoot } from './tools/needs.js';
import { collect } from './tools/output.js';
import { root } from './tools/package.js';
import { freePort } from './tools/port.js';
import { childrenOf, status } from './tools/proc.js';

const SOURCES = join(root, 'examples/readme');

test('the programs of README.md are those of examples/readme', () => {
  const text = readFileSync(join(root, 'README.md'), 'utf8');
  const blocks = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, block]) => block);
  const files = readdirSync(SOURCES).map((name) => readFileSync(join(SOURCES, name), 'utf8'));
  assert.deepEqual(blocks.sort(), files.sort());
});

test('the figures of README.md are those of the pages that it names for them', () => {
  const text = readFileSync(join(root, 'README.md'), 'utf8');
  const rows = text.split('\n').filter((line) => /^\|.*\/blob\/main\/docs\/[\w-]+\.md#/.test(line));
  assert.ok(rows.length >= 6);
  for (const row of rows) {
    const [, , ours = '', others = ''] = row.split('|');
    const page = /docs\/([\w-]+\.md)#/.exec(row)?.[1] as string;
    const there = readFileSync(join(root, 'docs', page), 'utf8');
    const figures = [...`${ours} ${others}`.matchAll(/\d[\d.,]*\d( ms| MB)?/g)];
    assert.ok(figures.length > 0, row);
    for (const [figure] of figures)
      assert.ok(there.includes(figure), `${figure} is not in ${page}`);
  }
});

/** The program as README.md has it, with words of this test's in place of some: on another port, in another directory. */
function program(t: TestContext, name: string, words: Record<string, string>): string {
  let text = readFileSync(join(root, 'dist/examples/readme', `${name}.js`), 'utf8');
  for (const [from, to] of Object.entries(words)) {
    assert.ok(text.includes(from), `${name}: ${from}`);
    text = text.replaceAll(from, to);
  }
  // In the package, by whose name it imports daemonkit.
  const folder = mkdtempSync(join(root, 'dist/test/readme-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, `${name}.mjs`);
  writeFileSync(file, text);
  return file;
}

/** What the server says, as soon as it says something. */
async function answer(port: number, path = '/'): Promise<string> {
  for (const end = performance.now() + 60_000; performance.now() < end; await sleep(20)) {
    const request = { headers: { connection: 'close' }, signal: AbortSignal.timeout(10_000) };
    const response = await fetch(`http://127.0.0.1:${port}${path}`, request).catch(() => undefined);
    if (response !== undefined) return response.text();
  }
  assert.fail(`nobody answers on port ${port}`);
}

function started(nest: Nest, file: string) {
  const child = spawn(process.execPath, [file], {
    env: nest.env(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return { child, output: collect(child), ended: once(child, 'close') };
}

test('catalogue and report: the data is there in every process', async (t) => {
  const nest = new Nest(t);
  const ports = [await freePort(), await freePort()] as const;
  const fewer = (port: number) => ({ '1_000_000': '10_000', 8080: `${port}` });
  const shop = started(nest, program(t, 'catalogue', fewer(ports[0])));
  const report = started(nest, program(t, 'report', fewer(ports[1])));
  const pid = /^item 9999, from process (\d+)\n$/.exec(await answer(ports[0], '/9999'))?.[1];
  assert.ok(childrenOf(shop.child.pid as number).includes(Number(pid)), `${pid} is a worker`);
  assert.equal(await answer(ports[1]), '1000 customers\n');
  shop.child.kill();
  report.child.kill();
  assert.deepEqual(await shop.ended, [0, null], shop.output.stderr);
  await report.ended;
  assert.deepEqual(nest.processes(), []);
});

test('flag: a busy loop ends by a signal', async (t) => {
  const loop = 'while (!timeToDie.raised)';
  const words = { [loop]: `console.log('at work');\n${loop}` };
  const { child, output, ended } = started(new Nest(t), program(t, 'flag', words));
  await until('it works', () => output.stdout === 'at work\n');
  await sleep(20);
  child.kill();
  assert.deepEqual(await ended, [0, null], output.stderr);
  assert.equal(output.stdout, 'at work\nsome rounds of work\n');
});

test('recipe and workers: daemons of another user', needsRoot, async (t) => {
  const [recipe, workers] = [new Nest(t), new Nest(t)];
  const ports = [await freePort(), await freePort()] as const;
  const own = (nest: Nest, port: number) => ({
    80: `${port}`,
    '/run/hello.pid': nest.pidfile,
    '/var/log/hello.log': nest.log,
    'www-data': 'nobody',
  });
  const chroot = join(recipe.directory, 'root');
  chmodSync(recipe.directory, 0o755);
  mkdirSync(chroot);
  const files = [
    program(t, 'recipe', { ...own(recipe, ports[0]), '/srv/hello': chroot }),
    program(t, 'workers', own(workers, ports[1])),
  ] as const;
  const launches = [
    await recipe.run([process.execPath, files[0]]),
    await workers.run([process.execPath, files[1]]),
  ];
  assert.deepEqual(
    launches.map(({ code, stdout, stderr }) => ({ code, stdout, stderr })),
    Array(2).fill({ code: 0, stdout: '', stderr: '' }),
  );
  assert.equal(await answer(ports[0]), 'hello\n');
  const daemon = recipe.pid();
  assert.equal(readlinkSync(`/proc/${daemon}/root`), chroot);
  const worker = Number((await answer(ports[1])).split(' ')[1]);
  const uids = [daemon, worker, workers.pid()].map(
    (pid) => status(pid).Uid?.trim().split(/\s+/)[0],
  );
  assert.deepEqual(uids, ['65534', '65534', '0']);
  assert.equal(workers.processes().length, 5);
  await recipe.end(daemon);
  await workers.end(workers.pid());
  assert.deepEqual([recipe.processes(), workers.processes()], [[], []]);
});

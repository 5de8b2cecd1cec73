// daemonkit upgrade: comes back when the new program serves, or has failed.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { daemonkit, starts, writeApp } from './tools/cli.js';
import { Nest, until } from './tools/daemons.js';
import { hasEnded } from './tools/proc.js';

const source = `
const { createServer } = await import('node:http');
const { readFileSync } = await import('node:fs');
const mode = readFileSync(new URL('mode', import.meta.url), 'utf8');
if (mode === 'broken') throw new Error('a broken release');
const [{ fd }] = daemonkit.listenFds({ unsetEnvironment: true });
const server = createServer((_, response) => response.end(mode));
const master = daemonkit.prefork({ server, listen: fd, workers: 1, stopTimeout: 1000 });
await master.ready;
void master.finished.then(() => process.exit());
`;

function ask(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ socketPath, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
    }).on('error', reject);
  });
}

test('daemonkit upgrade: a new release, a broken one, none', async (t) => {
  const nest = new Nest(t);
  const app = writeApp(nest, 'app.mjs', source);
  const file = (name: string) => join(nest.directory, name);
  const becomes = (mode: string) => writeFileSync(file('mode'), mode);
  const which = ['--pidfile', nest.pidfile];
  becomes('one');
  const listen = ['--listen', file('s')];
  const first = await starts(nest, ['start', ...which, '--log', nest.log, ...listen, app]);
  assert.equal(await ask(file('s')), 'one');

  becomes('two');
  const done = await daemonkit(nest, ['upgrade', ...which]);
  const next = Number(readFileSync(nest.pidfile, 'utf8'));
  assert.deepEqual(done, {
    code: 0,
    stdout: `upgraded: process ${next} (was ${first})\n`,
    stderr: '',
  });
  // The old workers may have accepted a connection before they were asked to end.
  await until('the first one ends', () => hasEnded(first));
  assert.equal(await ask(file('s')), 'two');

  becomes('broken');
  const broken = await daemonkit(nest, ['upgrade', ...which, '--json']);
  assert.equal(broken.code, 1);
  const { ok, upgraded, pid, code, step, failure } = JSON.parse(broken.stdout);
  assert.deepEqual(
    [ok, upgraded, pid, code, step, failure.exitCode],
    [false, false, next, 'ERR_UPGRADE_FAILED', 'daemon', 1],
  );
  assert.match(failure.stderr, /a broken release/);
  const again = await daemonkit(nest, ['upgrade', ...which]);
  assert.equal(again.code, 1);
  assert.match(
    again.stderr,
    new RegExp(`^daemonkit: process ${next} still runs: .*\\n[^]*a broken release`),
  );
  assert.match(readFileSync(nest.log, 'utf8'), /a broken release/);
  assert.equal(await ask(file('s')), 'two');

  const stopped = await daemonkit(nest, ['stop', ...which]);
  assert.equal(stopped.code, 0);
  const nobody = await daemonkit(nest, ['upgrade', ...which]);
  assert.deepEqual([nobody.code, nobody.stderr], [7, 'daemonkit: not running\n']);
});

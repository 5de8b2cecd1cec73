import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Nest, until } from './tools/daemons.js';
import { needs } from './tools/needs.js';
import { freePort } from './tools/port.js';
import { adopter, childrenOf } from './tools/proc.js';

test('example:http-daemon does what it says', needs('curl'), async (t) => {
  const nest = new Nest(t);
  const port = await freePort();
  const env = nest.env({ PORT: String(port), XDG_RUNTIME_DIR: nest.directory });
  const program = fileURLToPath(new URL('../examples/http-daemon.js', import.meta.url));
  const run = async (file: string, args: string[]) => {
    const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    const [code] = await once(child, 'close');
    return { code, output };
  };

  const { code, output } = await run(process.execPath, [program]);
  assert.equal(code, 0, output);
  const said = /^Try: {3}(.*)\nStop: {2}(.*)\nLog: {3}(.*)\n$/.exec(output);
  assert.ok(said, output);
  const [, curl = '', stop = '', log = ''] = said;
  const [pid] = nest.processes();

  const answer = await run('sh', ['-c', `${curl}hello`]);
  assert.match(answer.output, new RegExp(`Process ${pid}, child of ${adopter()}, serves /hello\n`));
  const again = await run(process.execPath, [program]);
  assert.equal(again.code, 1);
  assert.match(again.output, /EADDRINUSE/);

  assert.equal((await run('sh', ['-c', stop])).code, 0);
  await until('it has ended', () => nest.processes().length === 0);
  assert.equal(existsSync(`${nest.directory}/http-daemon.pid`), false);
  assert.match(
    readFileSync(log, 'utf8'),
    /is ready\n.*GET \/hello\nSIGTERM.*\nthe last connection/,
  );
});

test('example:prefork-http does what it says', needs('curl'), async (t) => {
  const nest = new Nest(t);
  const env = nest.env({ PORT: '0', WORKERS: '2' });
  const program = fileURLToPath(new URL('../examples/prefork-http.js', import.meta.url));
  const child = spawn(process.execPath, [program], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const said = await until('it is ready', () =>
    /^Try: {5}(.*)\nKill: {4}(.*)\nReload: {2}(.*)\nUpgrade: .*\nStop: {4}(.*)\nWorkers: (\d+) (\d+)\n$/.exec(
      output,
    ),
  );
  const [, curl = '', kill = '', reload = '', stop = '', ...workers] = said ?? [];
  const sh = async (command: string) => {
    const shell = spawn('sh', ['-c', command], { stdio: ['ignore', 'pipe', 'ignore'] });
    let text = '';
    for await (const chunk of shell.stdout.setEncoding('utf8')) text += chunk;
    return text;
  };
  const answer = /^Bonjour from process (\d+), configured at (.*)\n$/.exec(await sh(curl));
  assert.ok(workers.includes(answer?.[1] ?? ''), `${answer}`);
  await sh(kill);
  await until('the report', () => /worker 1 \(\d+\) ended by itself: SIGKILL/.test(output));
  await until('the successor', () => childrenOf(child.pid as number).length === 2);
  await sh(reload);
  await until('the reload', () => output.match(/as asked: code 0/g)?.length === 2);
  assert.notEqual(/configured at (.*)/.exec(await sh(curl))?.[1], answer?.[2]);
  await sh(stop);
  assert.deepEqual(await once(child, 'close'), [0, null]);
  assert.match(output, /no worker is left\n$/);
  assert.deepEqual(nest.processes(), []);
});

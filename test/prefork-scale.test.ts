// The number of workers changes while clients hold the server to its answers.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from './tools/daemons.js';
import { whenFull } from './tools/full.js';
import { collect } from './tools/output.js';
import { askAt, Clients } from './tools/preforked.js';
import { signals } from './tools/proc.js';
import { scriptCommand } from './tools/script.js';
import { Stepped } from './tools/stepped.js';

/** SIGTTIN and SIGTTOU in a mask. */
const TERMINALS = (1n << 20n) | (1n << 21n);

const TERMINAL = fileURLToPath(new URL('../../test/tools/terminal.py', import.meta.url));

/** How many connections there are at a port, of the clients' side. */
function connectionsTo(port: number): number {
  const to = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const lines = readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1);
  const fields = lines.map((line) => line.trim().split(/\s+/));
  return fields.filter(([, , remote, state]) => remote?.endsWith(to) && state === '01').length;
}

for (const balance of ['shared', 'reuseport']) {
  const options = balance === 'shared' ? {} : whenFull;
  test(`scale() and its signals lose no request (balance: '${balance}')`, options, async (t) => {
    const group = new Stepped(
      t,
      `const master = start({ workers: 2, balance: '${balance}' });
      await master.ready;
      say('port', master.port);
      for (const count of [5, 1, 3]) {
        await next();
        await master.scale(count);
        say('step', master.pids.length);
      }
      await next();
      await master.reload();
      say('step', master.pids.length);
      await next();
      await master.finished;
      say('step');`,
    );
    await group.hears('port');
    const clients = new Clients(group, 8, 8);
    const more = () => {
      const before = clients.requests;
      return until('further requests', () => clients.requests > before + 100);
    };
    for (const count of [5, 1, 3, 3]) {
      assert.deepEqual(await group.step(), [count]);
      await until(`${count} workers`, () => group.others().length === count);
      await more();
    }
    const signalled = async (signal: NodeJS.Signals, count: number) => {
      process.kill(group.pid, signal);
      await until(`${count} by ${signal}`, () => group.others().length === count);
    };
    await signalled('SIGTTIN', 4);
    for (const count of [3, 2, 1]) await signalled('SIGTTOU', count);
    process.kill(group.pid, 'SIGTTOU');
    await more();
    await until('never less than one', () => group.others().length === 1);
    await signalled('SIGTTIN', 2);
    // With a queue for each seat some may come for what waits at one that was given up, and leave.
    const exits = () => group.words('exit').filter(([, , , asked]) => asked === true);
    await until('all have ended', () => exits().length === 10);
    await clients.stop();
    assert.deepEqual(clients.failures, []);
    assert.equal(exits().filter(([, , reason]) => reason === 'reload').length, 3);
    const scaled = exits().filter(([, , reason]) => reason === 'scale');
    const ids = scaled.map(([id]) => id as number);
    assert.deepEqual(ids.slice(0, 4).toSorted(), [2, 3, 4, 5]);
    assert.deepEqual(ids.slice(4), [4, 3, 2]);
    const all = group.words('exit');
    assert.ok(
      all.every(([, how]) => how === 0),
      `${all}`,
    );
    assert.deepEqual(group.words('error'), []);
    process.kill(group.pid, 'SIGTERM');
    await group.step();
    await group.endsWell();
  });
}

test('scale(): bad input, calls that overtake each other, AbortSignals, a reload, a stop', async (t) => {
  const group = new Stepped(
    t,
    `const slow = { async onWorkerStart() { await pause(300); } };
    const master = start({ workers: 2, scaleUpSignals: 'SIGWINCH', scaleDownSignals: [], ...slow });
    const bad = [undefined, '2', 1.5, 0, 1025, NaN].map((count) => code(master.scale(count)));
    bad.push(code(master.scale(2, { signal: 1 })), code(master.scale(2, { sginal: 1 })));
    say('bad', ...(await Promise.all(bad)));
    say('aborted', await code(master.scale(7, { signal: AbortSignal.abort() })));
    await master.ready;
    say('port', master.pids.length);
    await next();
    const calls = [4, 3, 3].map((count) => master.scale(count));
    const abort = new AbortController();
    calls.push(master.scale(3, abort));
    setTimeout(() => abort.abort(), 20);
    say('step', ...(await Promise.all(calls.map(code))), master.pids.length);
    await next();
    const both = [master.reload(), master.scale(4)];
    await Promise.all(both);
    say('step', master.pids.length);
    await next();
    const last = [master.scale(6), pause(50).then(() => master.stop())];
    say('step', ...(await Promise.all(last.map(code))), await code(master.scale(2)));`,
  );
  const [type, range] = ['ERR_INVALID_ARG_TYPE', 'ERR_OUT_OF_RANGE'];
  const bad = [type, type, range, range, range, range, type, 'ERR_INVALID_ARG_VALUE'];
  assert.deepEqual(await group.hears('bad'), bad);
  assert.deepEqual(await group.hears('aborted'), ['ABORT_ERR']);
  assert.deepEqual(await group.hears('port'), [2]);
  assert.deepEqual(await group.step(), ['ERR_SCALE_FAILED', 'well', 'well', 'ABORT_ERR', 3]);
  assert.deepEqual(await group.step(), [4]);
  process.kill(group.pid, 'SIGWINCH');
  await until('one more', () => group.others().length === 5);
  assert.equal(
    Number(BigInt(`0x${signals(group.pid).SigCgt}`) & TERMINALS),
    0,
    'they stay as they were',
  );
  assert.deepEqual(await group.step(), ['ERR_INVALID_STATE', 'well', 'ERR_INVALID_STATE']);
  await group.endsWell();
});

test('stats() and the channel tell the number of workers that scale() has made', async (t) => {
  const group = new Stepped(
    t,
    `const { subscribe } = await import('node:diagnostics_channel');
    const seats = [];
    subscribe('daemonkit:prefork:master', (message) => seats.push(message.seats));
    const master = start({ workers: 2, warmup: false });
    await master.ready;
    const stats = [master.stats().seats];
    for (const count of [3, 1]) {
      await master.scale(count);
      stats.push(master.stats().seats);
    }
    say('told', stats, seats);
    await master.stop();`,
  );
  assert.deepEqual(await group.hears('told'), [
    [2, 3, 1],
    [2, 3, 1],
  ]);
  await group.endsWell();
});

test('what waits in the queue of a seat that goes is answered, also by a worker that is slow', async (t) => {
  const group = new Stepped(
    t,
    `// A turn of the event loop accepts one connection, and its timers are late when the next one begins.
    server.on('connection', () => { for (const end = Date.now() + 120; Date.now() < end; ); });
    const master = start({ workers: 2, balance: 'reuseport' });
    await master.ready;
    say('port', master.port, master.stats().workers.find(({ id }) => id === 2).pid);
    await next();
    const scaled = master.scale(1);
    say('step');
    await scaled;
    await next();
    await master.stop();
    say('step');`,
  );
  const [port, pid] = (await group.hears('port')) as [number, number];
  process.kill(pid, 'SIGSTOP');
  const asked = Array.from({ length: 10 }, () => askAt(port));
  await until('the kernel has them all', () => connectionsTo(port) === 10);
  await group.step();
  process.kill(pid, 'SIGCONT');
  await Promise.all(asked);
  await group.step();
  await group.endsWell();
});

test('with sockets of the caller there are as many workers at least', async (t) => {
  const group = new Stepped(
    t,
    `const { listeningSocket } = daemonkit;
    const first = listeningSocket({ port: 0, host: '127.0.0.1', reusePort: true });
    const line = fs.readFileSync('/proc/net/tcp', 'utf8').split('\\n').find((text) =>
      text.includes(' ' + fs.readlinkSync('/proc/self/fd/' + first).match(/\\d+/)[0] + ' '));
    const port = Number.parseInt(line.trim().split(/[ :]+/)[2], 16);
    const listen = [first, listeningSocket({ port, host: '127.0.0.1', reusePort: true })];
    const master = start({ workers: 3, listen, balance: 'reuseport' });
    await master.ready;
    say('port', port);
    await next();
    say('step', await code(master.scale(1)), await code(master.scale(2)), master.pids.length);
    process.exit();`,
  );
  await group.hears('port');
  assert.deepEqual(await group.step(), ['ERR_OUT_OF_RANGE', 'well', 2]);
});

test('a process with a terminal leaves SIGTTIN and SIGTTOU to it, unless it is told', async (t) => {
  const source = `
    const mask = () => /SigCgt:.(.*)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1];
    const { prefork } = daemonkit;
    const options = { workers: 1, onWorkerStart() {} };
    for (const more of [{}, { scaleUpSignals: 'SIGTTIN', scaleDownSignals: ['SIGTTOU'] }]) {
      const master = prefork({ ...options, ...more });
      await master.ready;
      console.log(mask());
      await master.stop();
    }`;
  const terminal = spawn('python3', [TERMINAL, ...scriptCommand(source)]);
  t.after(() => terminal.kill('SIGKILL'));
  const output = collect(terminal);
  await once(terminal, 'close');
  const masks = output.stdout
    .trim()
    .split(/[\r\n]+/)
    .map((mask) => BigInt(`0x${mask}`) & TERMINALS);
  assert.deepEqual(masks, [0n, TERMINALS], output.stderr);
});

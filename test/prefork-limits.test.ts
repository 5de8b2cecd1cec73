// Workers that have served long enough: maxRequests, maxAge, maxMemory, and the options that say so.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { type PreforkOptions, prefork } from 'daemonkit';
import { preforkPlan } from '../lib/prefork/plan/settings.js';
import { limitsOf, recycleRules } from '../lib/prefork/watch/recycle.js';
import { until } from './tools/daemons.js';
import { Clients } from './tools/preforked.js';
import { Watched } from './tools/watched.js';

/** How many of a server's workers, at most, were ready at the same time more than there are seats. */
function spare(server: Watched, seats: number): number {
  let [now, most] = [0, 0];
  for (const { event, message } of server.said as unknown as {
    event: string;
    message: { event: string };
  }[]) {
    if (event !== 'worker') continue;
    if (message.event === 'ready') now++;
    if (message.event === 'leaving' || message.event === 'hung') now--;
    most = Math.max(most, now);
  }
  return most - seats;
}

test('maxRequests: replaced one after the other, the new one first, no request lost', async (t) => {
  const options = { maxRequests: 40, workers: 2, respawn: { attempts: 1 } };
  const server = await Watched.start(t, options);
  const clients = new Clients(server, 4);
  await until('eight have served', () => server.exits().length >= 8);
  await clients.stop();
  assert.deepEqual(clients.failures, []);
  for (const { exitCode, reason, asked } of server.exits()) {
    assert.deepEqual([exitCode, reason, asked], [0, 'maxRequests', true]);
  }
  for (const message of server.happened('recycled')) {
    assert.ok(message.event === 'recycled' && message.reason === 'maxRequests');
  }
  assert.equal(spare(server, 2), 1, 'one at a time');
  await server.sees('it goes on', (all) => all.every(({ restarts }) => restarts > 0));
  await server.stops();
});

test('maxAge and maxMemory: the reason is told, the others stay', async (t) => {
  const aging = await Watched.start(t, { maxAge: 400, workers: 2 });
  await until('four have grown old', () => aging.exits().length >= 4);
  assert.ok(aging.exits().every(({ reason, exitCode }) => reason === 'maxAge' && exitCode === 0));
  await aging.stops();
  const growing = await Watched.start(t, { maxMemory: 100 * 2 ** 20, workers: 2 });
  const pid = await growing.knock(`/grow?n=${150 * 2 ** 20}`);
  await until('it is replaced', () => growing.exits().length >= 1);
  assert.deepEqual(
    growing.exits().map(({ pid, reason }) => [pid, reason]),
    [[pid, 'maxMemory']],
  );
  await growing.stops();
});

test('a worker has limits of its own, up to its part below the option', () => {
  const rules = recycleRules({ maxRequests: 1000, maxAge: 500, recycleJitter: 0.2 });
  assert.deepEqual(
    limitsOf(rules, () => 0),
    { maxRequests: 1000, maxAge: 500, maxMemory: Infinity },
  );
  assert.deepEqual(
    limitsOf(rules, () => 1 - 2 ** -40),
    {
      maxRequests: 800,
      maxAge: 400,
      maxMemory: Infinity,
    },
  );
  const one = limitsOf(recycleRules({ maxRequests: 1, recycleJitter: 1 }), () => 1 - 2 ** -40);
  assert.equal(one.maxRequests, 1);
  const drawn = new Set(Array.from({ length: 50 }, () => limitsOf(rules).maxRequests));
  assert.ok(drawn.size > 1);
  assert.equal(limitsOf(recycleRules({ maxRequests: 10, recycleJitter: 0 })).maxRequests, 10);
});

test('wrong options are refused before anything happens', () => {
  const base = { server: createServer(), listen: { port: 0 } };
  const refused = (options: object, code: string, name: string) =>
    assert.throws(
      () => prefork({ ...base, ...options } as PreforkOptions),
      (error: NodeJS.ErrnoException) => {
        assert.equal(error.code, code, `${error.message}`);
        assert.match(error.message, new RegExp(`options\\.${name}`));
        return true;
      },
    );
  for (const name of ['hangTimeout', 'maxRequests', 'maxAge', 'maxMemory']) {
    refused({ [name]: '1' }, 'ERR_INVALID_ARG_TYPE', name);
    refused({ [name]: -1 }, 'ERR_OUT_OF_RANGE', name);
    refused({ [name]: 1.5 }, 'ERR_OUT_OF_RANGE', name);
  }
  refused({ recycleJitter: 2 }, 'ERR_OUT_OF_RANGE', 'recycleJitter');
  refused({ recycleJitter: Number.NaN }, 'ERR_OUT_OF_RANGE', 'recycleJitter');
  refused({ recycleJitter: '0.1' }, 'ERR_INVALID_ARG_TYPE', 'recycleJitter');
  refused({ hangSignal: 'SIGNONE' }, 'ERR_INVALID_ARG_VALUE', 'hangSignal');
  refused({ onMasterHang: 'SIGABRT' }, 'ERR_INVALID_ARG_TYPE', 'onMasterHang');
  const never = 'ERR_INVALID_ARG_VALUE';
  for (const signal of ['SIGSTOP', 'SIGCONT', 'SIGCHLD', 'SIGWINCH', 'SIGURG', 'SIGTTIN']) {
    refused({ hangSignal: signal }, never, 'hangSignal');
  }
  // null is no way to ask for what is usual.
  const orders = ['stopSignals', 'reloadSignals', 'upgradeSignals', 'scaleUpSignals'];
  const times = ['readyTimeout', 'stopTimeout', 'idleTimeout', 'hangTimeout', 'upgradeTimeout'];
  const others = ['scaleDownSignals', 'hangSignal', 'recycleJitter', 'threads', 'reapOrphans'];
  for (const name of [...orders, ...times, ...others, 'warmup', 'title']) {
    refused({ [name]: null }, 'ERR_INVALID_ARG_TYPE', name);
  }
  refused({ title: 'a\0b' }, never, 'title');
  // A signal means one thing.
  refused({ stopSignals: 'SIGUSR1', reloadSignals: 'SIGUSR1' }, never, 'reloadSignals');
  refused({ reloadSignals: ['SIGHUP'], upgradeSignals: 'SIGHUP' }, never, 'upgradeSignals');
  refused({ scaleUpSignals: 'SIGURG', scaleDownSignals: 'SIGURG' }, never, 'scaleDownSignals');
  // Names of this option in other programs: a signal, or a callback.
  refused({ onHang: 'SIGNONE' }, 'ERR_INVALID_ARG_VALUE', 'hangSignal');
  refused({ onHang: () => {}, onMasterHang: () => {} }, 'ERR_INVALID_ARG_VALUE', 'onHang');
});

test('what a signal is asked to mean goes before what it usually means', () => {
  const base = { onWorkerStart() {} };
  const plan = preforkPlan({
    ...base,
    reloadSignals: 'SIGUSR2',
    stopSignals: ['SIGHUP', 'SIGTERM'],
  });
  assert.deepEqual(plan.stopSignals, ['SIGHUP', 'SIGTERM']);
  assert.deepEqual(plan.reloadSignals, ['SIGUSR2']);
  assert.deepEqual(plan.upgradeSignals, []);
  const turned = preforkPlan({ ...base, scaleUpSignals: 'SIGTTOU', upgradeSignals: 'SIGINT' });
  assert.deepEqual(turned.scaleDownSignals, []);
  assert.deepEqual(turned.stopSignals, ['SIGTERM']);
});

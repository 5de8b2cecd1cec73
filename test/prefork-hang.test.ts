// Workers that do not answer: which of them are killed, and which are not.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { couldHaveRun, type Silent } from '../lib/prefork/watch/vitals.js';
import { until } from './tools/daemons.js';
import { Grouped } from './tools/grouped.js';
import { needs } from './tools/needs.js';
import { runningIn, stat, status } from './tools/proc.js';
import { Watched } from './tools/watched.js';

const HANG_MS = 300;

/** Has each worker do something after its answer; gives their pids. */
async function occupy(server: Watched, path: string, count = 2): Promise<number[]> {
  const pids: number[] = [];
  while (pids.length < count) pids.push(await server.knock(path));
  return pids;
}

test('an endless loop in every worker: all are replaced, and answer again', async (t) => {
  const server = await Watched.start(t, { hangTimeout: HANG_MS });
  // Their copies say nothing in their names.
  await occupy(server, '/fork');
  const spinning = await occupy(server, '/spin');
  const fresh = await server.knock('/');
  assert.ok(!spinning.includes(fresh));
  await until('both are told', () => server.exits().length === 2);
  for (const { pid, exitCode, signal, asked } of server.exits()) {
    assert.ok(spinning.includes(pid));
    assert.deepEqual([exitCode, signal, asked], [null, 'SIGKILL', false]);
  }
  assert.deepEqual(
    server
      .hangs()
      .map(({ pid }) => pid)
      .toSorted(),
    spinning.toSorted(),
  );
  for (const { silent, signal } of server.hangs()) {
    assert.ok(silent >= HANG_MS);
    assert.equal(signal, 'SIGKILL');
  }
  assert.deepEqual(
    server
      .happened('hung')
      .map(({ pid }) => pid)
      .toSorted(),
    spinning.toSorted(),
  );
  // The copies end with the line of their worker; they are orphans, for others to wait for.
  server.kill('SIGTERM');
  assert.deepEqual(await server.ended, [0, null], server.stderr);
  await until('nothing is left', () => runningIn(server.pid).length === 0);
});

test('hangSignal: SIGABRT; one that does not end a worker is followed by SIGKILL', async (t) => {
  const aborting = await Watched.start(t, { hangTimeout: HANG_MS, hangSignal: 'SIGABRT' });
  const [pid] = await occupy(aborting, '/block', 1);
  await until('it is killed', () => aborting.exits().length === 1);
  assert.deepEqual(
    aborting.exits().map(({ pid, signal }) => [pid, signal]),
    [[pid, 'SIGABRT']],
  );
  await aborting.stops();
  const options = { hangTimeout: HANG_MS, hangSignal: 'SIGTERM', stopTimeout: 100 } as const;
  const deaf = await Watched.start(t, options);
  await occupy(deaf, '/spin', 1);
  await until('it is killed', () => deaf.exits().length === 1);
  assert.equal(deaf.exits()[0]?.signal, 'SIGKILL');
  assert.equal(deaf.hangs()[0]?.signal, 'SIGTERM');
  await deaf.stops();
});

test('who could not run is not killed: stopped, with its master or alone, or inspected', async (t) => {
  const server = await Watched.start(t, { hangTimeout: HANG_MS });
  const [first = 0, second = 0] = (await server.hears('ready')).pids;
  server.kill('SIGSTOP', first);
  await sleep(3 * HANG_MS);
  server.kill('SIGCONT', first);
  for (const pid of [server.pid, first, second]) server.kill('SIGSTOP', pid);
  await sleep(3 * HANG_MS);
  for (const pid of [server.pid, first, second]) server.kill('SIGCONT', pid);
  await server.sees('all report', (all) => all.every(({ eventLoopDelay }) => eventLoopDelay < 300));
  // Whose inspector is open may stand at a breakpoint.
  const inspected = await server.knock('/inspect');
  await sleep(2 * (HANG_MS / 10));
  while ((await server.knock(`/spin?n=${3 * HANG_MS}`)) !== inspected);
  await sleep(3 * HANG_MS);
  assert.deepEqual(
    server.hangs().filter(({ pid }) => pid === inspected),
    [],
  );
  await server.stops();
});

test('a master that stood still hears its workers before it kills one that was not ready in time', async (t) => {
  const group = new Grouped(
    t,
    `const master = prefork({
      workers: 3,
      readyTimeout: 400,
      onWorkerStart: () => pause(100),
      onMasterReap: ({ reason, exitCode }) => say('reaped', reason, exitCode),
    });
    await until(() => master.pids.length === 3);
    for (const end = Date.now() + 2000; Date.now() < end; );
    await master.ready;
    await master.stop();`,
  );
  await group.endsWell();
  assert.deepEqual(group.words('reaped'), Array(3).fill(['stop', 0]));
});

test('a worker that is short of a processor is not killed', needs('taskset', 'chrt'), async (t) => {
  const server = await Watched.start(t, { hangTimeout: HANG_MS, workers: 1 });
  const [pid = 0] = (await server.hears('ready')).pids;
  const done = (command: string, ...args: string[]) =>
    new Promise((resolve) => spawn(command, args, { stdio: 'ignore' }).on('exit', resolve));
  const hog = spawn('taskset', ['-c', '0', process.execPath, '-e', 'for (;;);'], {
    stdio: 'ignore',
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  t.after(() => hog.kill('SIGKILL'));
  assert.equal(await done('taskset', '-acp', '0', `${pid}`), 0);
  assert.equal(await done('chrt', '-a', '-i', '-p', '0', `${pid}`), 0);
  await until('the hog runs', () => Number(stat(hog.pid as number)[11]) > 10);
  // Far less than the time limit, if it had the processor for itself.
  assert.equal(await server.knock(`/work?n=${HANG_MS / 5}`), pid);
  await sleep(4 * HANG_MS);
  hog.kill('SIGKILL');
  assert.equal(await server.knock('/'), pid);
  assert.deepEqual(server.hangs(), []);
  await server.stops();
});

test('a traced worker is not killed', needs('strace'), async (t) => {
  const server = await Watched.start(t, { hangTimeout: HANG_MS, workers: 1 });
  const [pid = 0] = (await server.hears('ready')).pids;
  const strace = spawn('strace', ['-f', '-o', '/dev/null', '-p', `${pid}`], { stdio: 'ignore' });
  t.after(() => strace.kill('SIGKILL'));
  await until('it is traced', () => !/^0?$/.test(status(pid).TracerPid ?? ''));
  assert.equal(await server.knock(`/block?n=${3 * HANG_MS}`), pid);
  assert.equal(await server.knock('/'), pid);
  assert.deepEqual(server.hangs(), []);
  strace.kill('SIGINT');
  await server.stops();
});

test('hangTimeout 0 is never; what is shorter is no hang', async (t) => {
  const never = await Watched.start(t, { hangTimeout: 0, workers: 1 });
  const [pid] = await occupy(never, '/spin?n=700', 1);
  assert.equal(await never.knock('/'), pid);
  await never.stops();
  const patient = await Watched.start(t, { hangTimeout: 3000, workers: 1 });
  const [busy] = await occupy(patient, '/block?n=700', 1);
  assert.equal(await patient.knock('/'), busy);
  assert.deepEqual([...never.hangs(), ...patient.hangs()], []);
  await patient.stops();
});

test('time in which a worker could have run', () => {
  const look = (state: string, ran = 0, waited = 0): Silent => ({
    gap: 100,
    before: { state: 'S', ran: 1000, waited: 50 },
    now: { state, ran: 1000 + ran, waited: 50 + waited },
  });
  const one = (silent: Silent, processors = 2) => couldHaveRun([silent], processors)[0];
  for (const state of ['T', 't', 'Z', 'X']) assert.equal(one(look(state, 50)), 0, state);
  assert.equal(one(look('S')), 100);
  assert.equal(one(look('D', 5)), 100);
  assert.equal(one(look('S', 0, 70)), 30);
  assert.equal(one(look('R', 100)), 100);
  // Starved, whether the kernel has booked its wait or not.
  assert.equal(one(look('R', 3)), 3);
  assert.equal(one(look('R', 3, 97)), 3);
  // Four endless loops on two processors keep only each other from running.
  const four = Array.from({ length: 4 }, () => look('R', 50, 50));
  assert.deepEqual(couldHaveRun(four, 2), [100, 100, 100, 100]);
  // Two of them, with other load on the same processors.
  const two = Array.from({ length: 2 }, () => look('R', 50, 50));
  for (const time of couldHaveRun(two, 2)) assert.ok(time > 50 && time < 70);
  assert.equal(one({ ...look('R', 9000), gap: 100 }), 100);
  assert.equal(one({ ...look('S'), gap: 0 }), 0);
});

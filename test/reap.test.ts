// reapOrphans(): it reaps orphaned zombies, and all other children keep their statuses.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { reapOrphans } from 'daemonkit';
import { until } from './tools/daemons.js';
import { Grouped } from './tools/grouped.js';
import { needs } from './tools/needs.js';
import { childrenOf, stat } from './tools/proc.js';
import { linesOf, runScript } from './tools/script.js';

const zombies = (pid: number) => childrenOf(pid).filter((child) => stat(child)[0] === 'Z');

test('a subreaper: orphans are reaped; children of child_process, fork() and waits are not', async (t) => {
  const group = new Grouped(
    t,
    `import { spawn, spawnSync } from 'node:child_process';
    import { once } from 'node:events';
    daemonkit.setChildSubreaper(true);
    const reaper = daemonkit.reapOrphans();
    // Twenty orphans, half of which have ended when they come.
    const orphan = () => spawn('sh', ['-c', '(exit 3) & (exec sleep 0.05) & exit 0'], { stdio: 'ignore' });
    const shells = Array.from({ length: 10 }, orphan);
    const spawned = Array.from({ length: 10 }, (_, i) => spawn('sh', ['-c', 'exit ' + (20 + i)], { stdio: 'ignore' }));
    const codes = await Promise.all([...shells, ...spawned].map(async (child) => (await once(child, 'exit'))[0]));
    say('codes', codes);
    // Ended long before they are waited for.
    const forked = fork();
    if (forked === 0) daemonkit._exit(7);
    say('forked', forked);
    const waited = fork();
    if (waited === 0) { setTimeout(() => daemonkit._exit(8), 100); await new Promise(() => {}); }
    const sync = spawnSync('sh', ['-c', 'sleep 0.2; exit 9']);
    say('sync', sync.status);
    say('waitpidAsync', (await daemonkit.waitpidAsync(waited)).exitCode);
    process.on('SIGUSR2', () => {
      say('waitpid', daemonkit.waitpid(forked).exitCode);
      reaper[Symbol.dispose]();
      reaper[Symbol.dispose]();
      orphan().on('exit', () => say('left'));
    });
    setTimeout(() => {}, 100_000);`,
  );
  const [forked] = (await group.hears('forked')) as [number];
  await group.hears('waitpidAsync');
  await until('only the fork() is left', () => zombies(group.pid).length === 1);
  assert.deepEqual(zombies(group.pid), [forked]);
  process.kill(group.pid, 'SIGUSR2');
  await group.hears('left');
  await until('nobody reaps any more', () => zombies(group.pid).length === 2);
  const codes = [...new Array(10).fill(0), ...Array.from({ length: 10 }, (_, i) => 20 + i)];
  assert.deepEqual(group.words('codes'), [[codes]]);
  assert.deepEqual(group.words('sync'), [[9]]);
  assert.deepEqual(group.words('waitpidAsync'), [[8]]);
  assert.deepEqual(group.words('waitpid'), [[7]]);
});

test('a child of a Worker thread that is busy keeps its status', () => {
  const [code] = linesOf<number>(
    `import { Worker } from 'node:worker_threads';
    daemonkit.reapOrphans();
    const source = 'import { spawn } from "node:child_process";' +
      'import { parentPort } from "node:worker_threads";' +
      'spawn("sh", ["-c", "exit 5"]).on("exit", (code) => parentPort.postMessage(code));' +
      'setImmediate(() => { for (const end = Date.now() + 2500; Date.now() < end; ); });';
    const worker = new Worker(source, { eval: true });
    worker.on('message', (code) => fs.writeSync(1, String(code)));
    await new Promise((resolve) => worker.on('exit', resolve));`,
  );
  assert.equal(code, 5);
});

test('process 1 of a PID namespace, and a master with the option', needs('root', 'unshare'), () => {
  const under = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];
  const { status, stdout, stderr } = runScript(
    `import { spawn } from 'node:child_process';
    const zombies = () => fs.readdirSync('/proc').filter((pid) => /^[0-9]+$/.test(pid))
      .filter((pid) => { try { return / Z /.test(fs.readFileSync('/proc/' + pid + '/stat', 'latin1')); } catch { return false; } });
    const master = daemonkit.prefork({
      workers: 1,
      reapOrphans: true,
      onWorkerStart() { spawn('sh', ['-c', '(exec sleep 0.1) & exit 0'], { stdio: 'ignore' }); },
      onMasterReap: ({ exitCode }) => fs.writeSync(1, 'exit ' + exitCode + ' '),
    });
    await master.ready;
    await new Promise((resolve) => setTimeout(resolve, 300));
    fs.writeSync(1, process.pid + ' ' + zombies().length + ' ');
    while (zombies().length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    await master.stop();
    process.exit(0);`,
    { via: under },
  );
  assert.deepEqual([status, stderr, stdout], [0, '', '1 1 exit 0 ']);
});

test('it does not keep the process alive, and leaves no flag or descriptor behind', async () => {
  const before = process.listenerCount('SIGCHLD');
  for (let i = 0; i < 50; i++) reapOrphans()[Symbol.dispose]();
  assert.equal(process.listenerCount('SIGCHLD'), before);
  const child = spawn('true');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
  assert.deepEqual(linesOf('daemonkit.reapOrphans();'), []);
});

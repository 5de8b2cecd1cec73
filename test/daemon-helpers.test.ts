// Helpers that were started before becomeDaemon() belong to the daemon: their pipes keep working,
// and it can end them.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from './tools/daemons.js';
import { cleanEnvironment } from './tools/environment.js';
import { marked } from './tools/marked.js';
import { scratch } from './tools/scratch.js';
import { scriptCommand } from './tools/script.js';

const source = `
import { fork as forkScript, spawn } from 'node:child_process';
import { once } from 'node:events';
const [, log, told] = process.argv;
const cat = spawn('cat', { stdio: ['pipe', 'pipe', 'ignore'] });
const sleeper = spawn('sleep', ['300'], { stdio: 'ignore' });
const short = spawn('sh', ['-c', 'read line; exit 3'], { stdio: ['pipe', 'ignore', 'ignore'] });
const peer = spawn(process.execPath, ['-e', 'process.on("message", (m) => process.send(m + 1))'], {
  stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
});
peer.send(1);
await once(peer, 'message');
const all = { cat, sleeper, short, peer };
const events = [];
for (const [name, child] of Object.entries(all)) {
  child.on('exit', (...how) => events.push([name, 'exit', ...how]));
  child.on('close', (...how) => events.push([name, 'close', ...how]));
  child.on('error', (error) => events.push([name, 'error', error.message]));
}
const answers = [];
cat.stdout.setEncoding('utf8').on('data', (text) => answers.push(text));
cat.stdin.write('launcher ');
const daemon = daemonkit.becomeDaemon({ strategy: 'fork', stderr: log });
cat.stdin.write('daemon');
peer.send(41);
answers.push((await once(peer, 'message'))[0]);
short.stdin.write('go\\n');
await once(short, 'close');
const signalled = [sleeper.kill(0), sleeper.kill(), peer.kill('SIGKILL')];
await Promise.all([once(sleeper, 'close'), once(peer, 'close')]);
const late = [sleeper.kill(), sleeper.killed, sleeper.exitCode];
// It can start children, and its fork must not reach the helpers.
const own = await once(spawn('sh', ['-c', 'exit 4']), 'exit');
const pid = daemonkit.fork();
if (pid === 0) daemonkit._exit(cat.kill() ? 1 : 6);
const fork = daemonkit.waitpid(pid).exitCode;
cat.stdin.end();
await once(cat, 'close');
const said = answers.filter((answer) => typeof answer === 'string').join('');
events.sort();
const counted = answers.find((answer) => typeof answer === 'number');
fs.writeFileSync(told + '~', JSON.stringify({ said, counted, signalled, late, own, fork, events }));
fs.renameSync(told + '~', told);
`;

test('pipes and channels of helpers go on in the daemon, kill() works, exit comes without a status', async (t) => {
  const folder = scratch(t);
  const [log, told] = [join(folder, 'log'), join(folder, 'told')];
  const mark = `DAEMONKIT_TEST=${folder}`;
  t.after(() => {
    for (const pid of marked(mark)) process.kill(pid, 'SIGKILL');
  });
  const [node = '', ...args] = scriptCommand(source);
  const [name = '', value] = mark.split('=');
  const launcher = spawnSync(node, [...args, '--', log, told], {
    encoding: 'utf8',
    timeout: 30_000,
    env: cleanEnvironment({ [name]: value }),
  });
  assert.deepEqual([launcher.status, launcher.stderr], [0, '']);
  const text = () => (existsSync(log) ? readFileSync(log, 'utf8') : '');
  await until('the daemon tells', () => existsSync(told) || /Error/.test(text()), 30_000);
  assert.equal(text(), '');
  const gone = (helper: string) => [
    [helper, 'close', null, null],
    [helper, 'exit', null, null],
  ];
  assert.deepEqual(JSON.parse(readFileSync(told, 'utf8')), {
    said: 'launcher daemon',
    counted: 42,
    signalled: [true, true, true],
    late: [false, true, null],
    own: [4, null],
    fork: 6,
    events: ['cat', 'peer', 'short', 'sleeper'].flatMap(gone),
  });
  await until('all have ended', () => marked(mark).length === 0, 30_000);
});

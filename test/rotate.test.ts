// Log rotation: rename, SIGHUP, a new file, and not a line lost.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from './tools/daemons.js';
import { cleanEnvironment } from './tools/environment.js';
import { presence, stat } from './tools/proc.js';
import { fixture } from './tools/run.js';
import { scratch } from './tools/scratch.js';

const ROTATIONS = 20;

for (const how of ['redirect', 'daemon', 'chroot']) {
  test(`${how}: every line in order while the log is rotated ${ROTATIONS} times`, async (t) => {
    const directory = scratch(t);
    const log = join(directory, 'log');
    const pidfile = join(directory, 'pid');
    const env = cleanEnvironment();
    const stdio = ['ignore', 'ignore', 'inherit'] as const;
    const args = [fixture('rotate.js'), how, directory];
    const starter = spawn(process.execPath, args, { env, stdio: [...stdio] });
    const ended = once(starter, 'exit');
    const filled = (path: string) => existsSync(path) && statSync(path).size > 0;
    await until('it writes', () => filled(log) && filled(pidfile));
    const pid = Number(readFileSync(pidfile, 'utf8'));
    const isThere = presence(pid);
    const runs = () => isThere() && stat(pid)[0] !== 'Z';
    t.after(() => runs() && process.kill(pid, 'SIGKILL'));
    for (let i = 0; i < ROTATIONS; i++) {
      renameSync(log, `${log}.${i}`);
      process.kill(pid, 'SIGHUP');
      await until('there is a new file', () => filled(log));
    }
    process.kill(pid, 'SIGUSR2');
    await until('it has ended', () => !runs());
    assert.deepEqual(await ended, [0, null]);
    const files = Array.from({ length: ROTATIONS }, (_, i) => `${log}.${i}`).concat(log);
    const lines = files.flatMap((file) => readFileSync(file, 'utf8').trimEnd().split('\n'));
    assert.deepEqual(
      lines,
      lines.map((_, line) => String(line)),
    );
    assert.ok(lines.length > 20 * ROTATIONS, `${lines.length} lines`);
  });
}

test('a log that cannot be reopened: the old one goes on, and says why', async (t) => {
  const directory = scratch(t);
  const log = join(directory, 'logs', 'log');
  execFileSync('mkdir', [join(directory, 'logs')]);
  const program = `import { redirect, redirectToNull } from ${JSON.stringify(
    new URL('../lib/index.js', import.meta.url).href,
  )};
    redirectToNull(0);
    redirect([1, 2], ${JSON.stringify(log)}, { reopenOn: ['SIGUSR2', 1] });
    console.log('ready'); process.on('SIGHUP', () => { console.log('goes on'); process.exit(); });
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program]);
  const ended = once(child, 'exit');
  await until('it is ready', () => existsSync(log) && statSync(log).size > 0);
  const old = join(directory, 'old');
  renameSync(log, old);
  rmSync(join(directory, 'logs'), { recursive: true });
  child.kill('SIGHUP');
  assert.deepEqual(await ended, [0, null]);
  const goesOn = 'the log could not be reopened, and the old file stays in use';
  const why = `daemonkit: ${goesOn}: ENOENT: no such file or directory, open '${log}'`;
  assert.equal(readFileSync(old, 'utf8'), `ready\n${why}\ngoes on\n`);
});

// pidfileRead() returns and pidfileSignal() signals the holder of a pidfile, and never another
// process.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Pidfile, type PidfileReport, pidfileRead, pidfileSignal } from 'daemonkit';
import { withFamily } from './tools/adopted.js';
import { lives, Nest, until } from './tools/daemons.js';
import { needs, needsRoot } from './tools/needs.js';
import { hasEnded } from './tools/proc.js';
import { scratch } from './tools/scratch.js';
import { linesOf } from './tools/script.js';

const NOBODY = 65534;

/** An unrelated process, which must survive. */
async function bystander(t: TestContext, holds?: number): Promise<number> {
  const child = spawn('sleep', ['60'], {
    stdio: ['ignore', 'ignore', 'ignore', holds ?? 'ignore'],
  });
  t.after(() => child.kill('SIGKILL'));
  await once(child, 'spawn');
  return child.pid as number;
}

test('a daemon runs; killed, its file is stale; ended, it is absent', async (t) => {
  const nest = new Nest(t);
  const before = Date.now();
  assert.equal(pidfileRead(nest.pidfile).state, 'absent');
  const { pid } = await nest.start('serve');
  const { startTime, ...rest } = pidfileRead(nest.pidfile);
  assert.deepEqual(rest, { path: nest.pidfile, state: 'running', running: true, pid });
  const age = (startTime?.getTime() ?? 0) - before;
  assert.ok(age > -2000 && age < 60_000, `${age} ms`);
  assert.equal(pidfileSignal(nest.pidfile, 0), pid);
  assert.equal(pidfileSignal(nest.pidfile, 'SIGKILL'), pid);
  await until('it is dead', () => hasEnded(pid));
  const dead = { path: nest.pidfile, state: 'stale', running: false, pid, startTime: undefined };
  assert.deepEqual(pidfileRead(nest.pidfile), dead);
  assert.equal(pidfileSignal(nest.pidfile, 'SIGTERM'), undefined);
  const again = await nest.start('serve');
  assert.equal(pidfileSignal(nest.pidfile, 15), again.pid);
  await until('it has ended', () => hasEnded(again.pid));
  assert.equal(pidfileRead(nest.pidfile).state, 'absent');
});

test('our own, as it comes and goes', (t) => {
  const path = join(scratch(t), 'd.pid');
  const state = () => pidfileRead(path).state;
  writeFileSync(path, '');
  assert.equal(state(), 'absent');
  const pidfile = Pidfile.open(path);
  assert.equal(state(), 'starting');
  assert.throws(() => pidfileSignal(path, 0), { code: 'EAGAIN', syscall: 'flock', path });
  pidfile.write();
  assert.equal(state(), 'running');
  assert.equal(pidfileRead(path).pid, process.pid);
  pidfile.close();
  assert.equal(state(), 'stale');
  writeFileSync(path, 'nonsense');
  assert.deepEqual([state(), pidfileRead(path).pid], ['stale', undefined]);
});

test('a number that came to another process is nobody', async (t) => {
  const path = join(scratch(t), 'd.pid');
  const pid = await bystander(t);
  writeFileSync(path, `${pid}\n`);
  assert.equal(pidfileRead(path).state, 'stale');
  assert.equal(pidfileSignal(path, 'SIGKILL'), undefined);
  // It has the file open, even: but it has not locked it.
  const pidfile = Pidfile.open(`${path}2`);
  pidfile.write(pid);
  pidfile.close();
  assert.equal(pidfileSignal(`${path}2`, 'SIGKILL'), undefined);
  await lives(pid);
});

test('a locked file that names another process than its holder hits neither', async (t) => {
  const path = join(scratch(t), 'd.pid');
  const pid = await bystander(t);
  const pidfile = Pidfile.open(path);
  pidfile.write(pid);
  assert.equal(pidfileRead(path).state, 'unknown');
  const words = /^ESTALE: a process holds the pidfile, which names \d+, which is not proven to/;
  assert.throws(() => pidfileSignal(path, 'SIGKILL'), { code: 'ESTALE', path, message: words });
  writeFileSync(path, 'nonsense');
  assert.throws(() => pidfileSignal(path, 'SIGKILL'), { code: 'ESTALE', message: /names none/ });
  await lives(pid);
  pidfile.remove();
});

test('an heir of the lock is not the daemon', async (t) => {
  const path = join(scratch(t), 'd.pid');
  const pidfile = Pidfile.open(path);
  const ended = spawn('true', { stdio: 'ignore' });
  await once(ended, 'exit');
  pidfile.write(ended.pid);
  const heir = await bystander(t, pidfile.fd);
  pidfile.close();
  assert.equal(pidfileRead(path).state, 'unknown');
  assert.throws(() => pidfileSignal(path, 'SIGKILL'), { code: 'ESTALE' });
  await lives(heir);
  // When the file names the fork, the fork is the holder.
  writeFileSync(path, `${heir}\n`);
  assert.equal(pidfileRead(path).state, 'running');
});

test('a zombie does not run', (t) => {
  const path = join(scratch(t), 'd.pid');
  const said = withFamily(
    ['exit 0'],
    `const path = ${JSON.stringify(path)};
    while (!/^State:\\s+Z/m.test(fs.readFileSync('/proc/' + children[0] + '/status', 'utf8')));
    fs.writeFileSync(path, children[0] + '\\n');
    say([daemonkit.pidfileRead(path).state, daemonkit.pidfileSignal(path, 'SIGKILL') ?? null]);`,
  );
  assert.deepEqual(said, [['stale', null]]);
});

test('a number that changes hands while we look is no proof', needs('root', 'unshare'), (t) => {
  const path = join(scratch(t), 'd.pid');
  // A new namespace has no other processes that could take the next pid, which root may choose.
  const via = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];
  const said = linesOf(
    `import { spawn } from 'node:child_process';
    import { once } from 'node:events';
    const { Owner } = await import(${JSON.stringify(new URL('../lib/pidfile/owner.js', import.meta.url).href)});
    const path = process.argv[1];
    const pidfile = daemonkit.Pidfile.open(path);
    const sleeper = async (pid) => {
      if (pid !== undefined) fs.writeFileSync('/proc/sys/kernel/ns_last_pid', String(pid - 1));
      const child = spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'ignore', pidfile.fd] });
      await once(child, 'spawn');
      return child;
    };
    const before = await sleeper();
    const owner = Owner.of(before.pid);
    const file = fs.fstatSync(pidfile.fd, { bigint: true });
    const proofs = [owner.proves(file, () => true)];
    before.kill('SIGKILL');
    await once(before, 'exit');
    const after = await sleeper(before.pid);
    proofs.push(owner.proves(file, () => true), Owner.of(after.pid).proves(file, () => true));
    fs.writeSync(1, JSON.stringify([after.pid === before.pid, proofs]));
    after.kill('SIGKILL');
    process.exit();`,
    { args: [path], via },
  );
  assert.deepEqual(said, [[true, [true, false, true]]]);
});

test('to root, what others could have written tells nothing', needsRoot, async (t) => {
  const path = join(scratch(t), 'd.pid');
  const pid = await bystander(t);
  writeFileSync(path, `${pid}\n`);
  chownSync(path, NOBODY, NOBODY);
  const refused = { code: 'EPERM', syscall: 'open', path };
  assert.throws(() => pidfileRead(path), refused);
  assert.throws(() => pidfileSignal(path, 'SIGKILL'), refused);
  chownSync(path, 0, 0);
  chmodSync(join(path, '..'), 0o777);
  assert.throws(() => pidfileSignal(path, 'SIGKILL'), refused);
  await lives(pid);
});

/** What an ordinary user learns about a pidfile, and whether it may signal the holder. */
function asNobody(path: string) {
  const source = `process.setgid(${NOBODY}); process.setuid(${NOBODY});
    const path = process.argv[1];
    const { state, pid } = daemonkit.pidfileRead(path);
    let sent;
    try { sent = daemonkit.pidfileSignal(path, 0); } catch ({ code }) { sent = code; }
    fs.writeSync(1, JSON.stringify({ state, pid, sent }));`;
  const [said] = linesOf<Pick<PidfileReport, 'state' | 'pid'> & { sent: unknown }>(source, {
    args: [path],
  });
  return said;
}

test('another user cannot look into the daemon: lock and age prove it', needsRoot, async (t) => {
  const nest = new Nest(t);
  chmodSync(nest.directory, 0o755);
  // It has been root: not even its own user may see its descriptors.
  const options = { user: 'nobody', log: undefined } as never;
  const { pid } = await nest.start('serve', options);
  assert.equal(readFileSync(nest.pidfile, 'utf8'), `${pid}\n`);
  assert.deepEqual(asNobody(nest.pidfile), { state: 'running', pid, sent: pid });
  await nest.end(pid, 'SIGKILL');
  assert.deepEqual(asNobody(nest.pidfile)?.state, 'stale');
});

test('and a process that began after the file was written is not the one', needsRoot, async (t) => {
  const directory = scratch(t);
  chmodSync(directory, 0o755);
  const path = join(directory, 'd.pid');
  const pidfile = Pidfile.open(path);
  pidfile.write();
  assert.deepEqual(asNobody(path), { state: 'running', pid: process.pid, sent: 'EPERM' });
  const later = await bystander(t);
  const { mtime, atime } = statSync(path);
  writeFileSync(path, `${later}\n`);
  // As if that number had been written long before.
  utimesSync(path, atime, new Date(mtime.getTime() - 3_600_000));
  assert.deepEqual(asNobody(path), { state: 'unknown', pid: later, sent: 'ESTALE' });
  pidfile.remove();
});

test('no descriptor is left open, whatever is found', async (t) => {
  const path = join(scratch(t), 'd.pid');
  const [states] = linesOf<number[]>(
    `const path = process.argv[1];
    const count = () => fs.readdirSync('/proc/self/fd').length;
    const counts = [count()];
    const look = () => { daemonkit.pidfileRead(path); counts.push(count()); };
    look();
    fs.writeFileSync(path, '1\\n');
    look();
    fs.rmSync(path);
    const pidfile = daemonkit.Pidfile.open(path);
    counts[0]++;
    look();
    pidfile.write();
    look();
    daemonkit.pidfileSignal(path, 0);
    pidfile.write(1);
    look();
    try { daemonkit.pidfileSignal(path, 0); } catch {}
    counts.push(count());
    fs.writeSync(1, JSON.stringify(counts.map((n, i) => n + (i === 1 || i === 2 ? 1 : 0))));`,
    { args: [path] },
  );
  assert.equal(new Set(states).size, 1, `${states}`);
});

test('arguments are checked first', () => {
  assert.throws(() => pidfileRead(1 as never), { code: 'ERR_INVALID_ARG_TYPE' });
  assert.throws(() => pidfileSignal('/x', 'TERM' as never), { code: 'ERR_INVALID_ARG_VALUE' });
  assert.throws(() => pidfileSignal('/x', 1000), { code: 'ERR_OUT_OF_RANGE' });
});

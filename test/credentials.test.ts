// The ids of each thread, from the kernel; and that no privilege of root is left.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { needs, needsRoot } from './tools/needs.js';
import { status, threadIds } from './tools/proc.js';
import { entry, runScript } from './tools/script.js';
import { guard, subject } from './tools/subject.js';

const NOBODY = 65534;
const folder = mkdtempSync(join(tmpdir(), 'daemonkit-credentials-'));
after(() => rmSync(folder, { recursive: true }));

const helpers = `
  const failure = (f) => { try { return f() ?? 'done'; } catch (e) { return [e.code, e.errno, e.syscall].join(' '); } };
  // The ids of a busy pool's threads are waited for ten seconds, of which a machine may be short.
  const patiently = (f) => {
    for (;;) try { return f(); } catch (e) { if (e.code !== 'EAGAIN') throw e; }
  };
  const kept = (f) => { try { return f() ?? 'done'; } catch (e) { return e.code + ': ' + e.message; } };`;

/** A field of /proc/PID/status, which must be the same for all threads. */
function ofThreads(pid: number, field: string): string {
  const tids = threadIds(pid);
  assert.ok(tids.length > 4, 'a Node with its threads');
  const values = tids.map((tid) => status(pid, tid)[field] ?? '');
  assert.equal(new Set(values).size, 1, `${field} differs between threads: ${values}`);
  return (values[0] as string).trim().replaceAll('\t', ' ');
}

/** That all threads of a process are this user's, in this group and no other, without capabilities. */
function assertDropped(pid: number, uid: number, gid: number, groups = [gid]): void {
  assert.equal(ofThreads(pid, 'Uid'), Array(4).fill(uid).join(' '));
  assert.equal(ofThreads(pid, 'Gid'), Array(4).fill(gid).join(' '));
  assert.equal(ofThreads(pid, 'Groups'), groups.join(' '));
  for (const set of ['CapPrm', 'CapEff', 'CapAmb']) assert.match(ofThreads(pid, set), /^0+$/);
}

test(
  'setresuid, setresgid, setgroups, initgroups: all threads, and what is told of them',
  needsRoot,
  async () => {
    await using process_ = subject(`
    const ids = ({ real, effective, saved }) => [real, effective, saved].join(' ');
    const steps = [
      () => daemonkit.setgroups([4, 24, 4000000000]),
      () => daemonkit.setgroups([]),
      () => daemonkit.initgroups('daemon', 12345),
      () => daemonkit.setresgid(7, 8, 9),
      () => daemonkit.setresgid(-1, -1, 10),
      () => daemonkit.setresuid(-1, 4294967294, 0),
      () => daemonkit.setresuid(-1, 0, -1),
      () => daemonkit.setresuid(3, 2, 1),
    ];
    const next = () => {
      steps.shift()();
      say(ids(daemonkit.getresuid()), ids(daemonkit.getresgid()));
    };
    process.on('SIGUSR2', next);
    say('ready');
    setInterval(() => {}, 1000);`);
    assert.equal(await process_.line(), 'ready');
    const next = async () => {
      process.kill(process_.pid, 'SIGUSR2');
      const said = await process_.line();
      const [uid, gid] = ['Uid', 'Gid'].map((field) => ofThreads(process_.pid, field));
      const firstThree = (line = '') => line.split(' ').slice(0, 3).join(' ');
      assert.equal(said, `${firstThree(uid)} ${firstThree(gid)}`);
      return [ofThreads(process_.pid, 'Groups'), uid, gid];
    };
    const root = '0 0 0 0';
    assert.deepEqual(await next(), ['4 24 4000000000', root, root]);
    assert.deepEqual(await next(), ['', root, root]);
    assert.deepEqual(await next(), ['12345', root, root]);
    assert.deepEqual(await next(), ['12345', root, '7 8 9 8']);
    assert.deepEqual(await next(), ['12345', root, '7 8 10 8']);
    assert.deepEqual((await next())[1], '0 4294967294 0 4294967294');
    assert.deepEqual((await next())[1], root);
    assert.deepEqual((await next())[1], '3 2 1 2');
  },
);

test('what is not permitted, and names that nobody has', needsRoot, () => {
  const ran = runScript(`${helpers}
    console.log(failure(() => daemonkit.setgroups(Array.from({ length: 65537 }, (_, i) => i))));
    console.log(failure(() => daemonkit.initgroups('nobody-of-that-name', 0)));
    console.log(failure(() => daemonkit.initgroups(0, 'no-such-group')));
    console.log(failure(() => daemonkit.dropPrivileges({ user: 'nobody-of-that-name' })));
    console.log(failure(() => daemonkit.dropPrivileges({ user: 54321 })));
    console.log(failure(() => daemonkit.dropPrivileges({ user: 'nobody', group: 'no-such-group' })));
    daemonkit.setresuid(7, 7, 7);
    console.log(failure(() => daemonkit.setgroups([])));
    console.log(failure(() => daemonkit.initgroups('nobody', 65534)));
    console.log(failure(() => daemonkit.setresuid(-1, 0, -1)));
    console.log(failure(() => daemonkit.setresgid(1, 1, 1)));
    console.log(failure(() => daemonkit.dropPrivileges({ user: 'nobody' })));`);
  assert.deepEqual(ran.stdout.trim().split('\n'), [
    'EINVAL -22 setgroups',
    'ENOENT -2 getpwnam',
    'ENOENT -2 getgrnam',
    'ENOENT -2 getpwnam',
    'ENOENT -2 getpwuid',
    'ENOENT -2 getgrnam',
    ...['setgroups', 'setgroups', 'setresuid', 'setresgid', 'setgroups'].map(
      (s) => `EPERM -1 ${s}`,
    ),
  ]);
});

test('dropPrivileges: by names, by numbers; root is no user to drop to', needsRoot, async () => {
  for (const [options, uid, gid] of [
    ["{ user: 'nobody' }", NOBODY, NOBODY],
    ["{ user: 54321, group: 'daemon' }", 54321, 1],
    ['{ user: 54321, group: 12345 }', 54321, 12345],
  ] as const) {
    await using dropped = subject(`${helpers}
      daemonkit.setgroups([0, 4, 24]);
      fs.promises.readFile('/etc/passwd');
      for (const user of ['root', 0, '0']) say(failure(() => daemonkit.dropPrivileges({ user })));
      say(failure(() => daemonkit.dropPrivileges(${options})));
      say(failure(() => daemonkit.dropPrivileges(${options})));
      say(failure(() => process.setuid(0)), failure(() => fs.readFileSync('/etc/shadow')));
      setInterval(() => {}, 1000);`);
    assert.match(await dropped.line(), /^ERR_INVALID_ARG_VALUE/);
    assert.match(await dropped.line(), /^ERR_INVALID_ARG_VALUE/);
    assert.match(await dropped.line(), /^ENOENT -2 getpwnam/);
    assert.deepEqual([await dropped.line(), await dropped.line()], ['done', 'done']);
    assert.match(await dropped.line(), /^EPERM \d+ setuid EACCES -13 open$/);
    assertDropped(dropped.pid, uid, gid);
  }
});

test('dropPrivileges: a saved id of root goes as well', needsRoot, async () => {
  await using dropped = subject(`
    daemonkit.setgroups([65534]);
    daemonkit.setresgid(65534, 65534, 0);
    daemonkit.setresuid(65534, 65534, 0);
    daemonkit.dropPrivileges({ user: 'nobody' });
    say('dropped');
    setInterval(() => {}, 1000);`);
  assert.equal(await dropped.line(), 'dropped');
  assertDropped(dropped.pid, NOBODY, NOBODY);
});

test(
  'dropPrivileges: capabilities that stay are told, and rings that go on as root',
  needs('root', 'setpriv'),
  () => {
    const drop = `${helpers} console.log(kept(() => daemonkit.dropPrivileges({ user: 'nobody' })));`;
    const kept = 'ERR_PRIVILEGES_KEPT: privileges are not dropped: ';
    const via = ['setpriv', '--securebits=+no_setuid_fixup'];
    assert.equal(runScript(drop, { via }).stdout, `${kept}capabilities are left\n`);
    const ring = runScript(
      `fs.promises.readFile('/etc/passwd').then(() => {
      const rings = fs.readdirSync('/proc/self/fdinfo').filter((fd) => {
        try { return /SqThread:\\s*[0-9]/.test(fs.readFileSync('/proc/self/fdinfo/' + fd)); } catch { return false; }
      });
      ${drop}
      console.log(rings.length, daemonkit.getresuid().effective);
    });`,
      { env: { ...process.env, UV_USE_IO_URING: '1' } },
    );
    const lines = ring.stdout.trim().split('\n');
    // Newer lines of Node have no ring with a thread of the kernel's.
    if (lines[1]?.startsWith('0')) assert.deepEqual(lines, ['done', `0 ${NOBODY}`]);
    else {
      assert.match(
        lines[0] as string,
        /^ERR_PRIVILEGES_KEPT: .* io_uring ring \d+ would keep running as root/,
      );
      assert.equal(lines[1]?.split(' ')[1], '0', 'nothing was changed');
    }
  },
);

test(
  'dropPrivileges in a chroot without /proc and /etc, child and grandchild too',
  needsRoot,
  async () => {
    await using family = subject(`${helpers}
    // Threads of the pool that are busy when the process forks.
    const crypto = process.getBuiltinModule?.('node:crypto') ?? (await import('node:crypto'));
    for (let i = 0; i < 4; i++) crypto.pbkdf2('', '', 3e5, 64, 'sha512', () => {});
    let generation = 1;
    for (; generation < 3; generation++) if (daemonkit.fork() !== 0) break;
    ${guard}
    patiently(() => daemonkit.chroot(${JSON.stringify(folder)}));
    say(generation, process.pid, failure(() => daemonkit.dropPrivileges({ user: 1001, group: 2000 + generation })));
    ${guard}
    setInterval(() => {}, 1000);`);
    const lines = [await family.line(), await family.line(), await family.line()].sort();
    for (const [i, line] of lines.entries()) {
      const [generation, pid, result] = line.split(' ');
      assert.deepEqual([generation, result], [`${i + 1}`, 'done']);
      assertDropped(Number(pid), 1001, 2001 + i);
    }
  },
);

test(
  'right after fork(), with a busy pool, the child changes all of its threads',
  needsRoot,
  async () => {
    await using family = subject(`${helpers}
    const crypto = await import('node:crypto');
    for (let i = 0; i < 4; i++) crypto.pbkdf2('', '', 3e5, 64, 'sha512', () => {});
    if (daemonkit.fork() === 0) {
      patiently(() => daemonkit.setgroups([4, 24]));
      daemonkit.setresgid(7, 7, 7);
      daemonkit.setresuid(0, 9, 0);
      ${guard}
      say('child', process.pid);
    }
    setInterval(() => {}, 1000);`);
    const child = Number(/^child (\d+)$/.exec(await family.line())?.[1]);
    assert.equal(ofThreads(child, 'Groups'), '4 24');
    assert.equal(ofThreads(child, 'Gid'), '7 7 7 7');
    assert.equal(ofThreads(child, 'Uid'), '0 9 0 9');
    assert.equal(ofThreads(family.pid, 'Uid'), '0 0 0 0');
    assert.equal(ofThreads(family.pid, 'Gid'), '0 0 0 0');
  },
);

test('dropPrivileges: a single thread that stays behind is told', needsRoot, () => {
  const addon = fileURLToPath(
    new URL('../../test/native/build/Release/test_faults.node', import.meta.url),
  );
  const left = (call: string) =>
    runScript(`import { createRequire } from 'node:module';
      ${helpers}
      // The call says that all is well, and does nothing; the main thread is another user's.
      const addon = createRequire(${JSON.stringify(addon)})(${JSON.stringify(addon)});
      console.log(addon.refuse('${call}', 0, true));
      console.log(kept(() => daemonkit.dropPrivileges({ user: 'nobody' })));
      console.log(daemonkit.getresuid().real, daemonkit.getresgid().real);`).stdout;
  const said = (kind: string) =>
    `0\nERR_PRIVILEGES_KEPT: privileges are not dropped: the ${kind} id is 0, not ${NOBODY}\n${NOBODY} ${NOBODY}\n`;
  assert.equal(left('setresuid'), said('user'));
  assert.equal(left('setresgid'), said('group'));
});

test('a Worker may change none of it', () => {
  const ran = runScript(`
    import { Worker } from 'node:worker_threads';
    const source = \`import('${entry}').then((d) => {
      for (const f of [() => d.setgroups([]), () => d.initgroups('nobody', 1), () => d.setresuid(1, 1, 1),
        () => d.setresgid(1, 1, 1), () => d.dropPrivileges({ user: 'nobody' }),
        () => d.setParentDeathSignal(1)]) {
        try { f(); } catch (e) { console.log(e.code); }
      }
    })\`;
    new Worker(source, { eval: true });`);
  assert.deepEqual(
    ran.stdout.trim().split('\n'),
    Array(6).fill('ERR_WORKER_UNSUPPORTED_OPERATION'),
  );
});

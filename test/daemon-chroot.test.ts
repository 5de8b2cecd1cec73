// A daemon in a chroot: that it works in an empty one, and what a way out would take.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { type TestContext, test } from 'node:test';
import type { DaemonOptions } from 'daemonkit';
import { ask, type LaunchOptions, Nest, until } from './tools/daemons.js';
import { needs, needsRoot } from './tools/needs.js';
import { descriptors, status, threadIds } from './tools/proc.js';

const [EPERM, ENOENT, EACCES] = [1, 2, 13];
const NOBODY = 65534;

/** A nest with a root directory in it. */
function nestWithJail(t: TestContext): { nest: Nest; jail: string } {
  const nest = new Nest(t);
  chmodSync(nest.directory, 0o755);
  const jail = `${nest.directory}/jail`;
  mkdirSync(jail);
  return { nest, jail };
}

/** What a daemon in a chroot tries, to get out of it: see test/native/escape.h. */
async function tryToEscape(
  t: TestContext,
  options: DaemonOptions,
  { under = [], outsiderUser }: LaunchOptions & { outsiderUser?: number } = {},
): Promise<string[]> {
  const { nest, jail } = nestWithJail(t);
  mkdirSync(`${jail}/proc`);
  const ids = outsiderUser === undefined ? {} : { uid: outsiderUser, gid: outsiderUser };
  const outsider = spawn('sleep', ['60'], { stdio: 'ignore', ...ids });
  try {
    const env = { OUTSIDER: String(outsider.pid), JAIL: jail };
    const { port, pid } = await nest.start('escapes', { chroot: jail, ...options }, { env, under });
    const results = await ask<string[]>(port, '/escape');
    await nest.end(pid);
    return results;
  } finally {
    outsider.kill('SIGKILL');
  }
}

test('an unprivileged daemon finds no way out', needsRoot, async (t) => {
  assert.deepEqual(await tryToEscape(t, { user: 'nobody' }), [
    `kill ${EPERM}`,
    `ptrace ${EPERM}`,
    `proc ${ENOENT}`,
    `mknod ${EACCES}`,
    `mount ${EPERM}`,
    `unshare ${EPERM}`,
    `chroot ${EPERM}`,
  ]);
});

/** A mount namespace of its own, which ends with the daemon. */
const inMountNamespace = (command: string) => {
  return ['unshare', '-m', 'sh', '-c', `${command}; exec "$@"`, 'sh'];
};

test(
  'nor with /proc in it, unless a process of the same user is outside',
  needs('root', 'unshare', 'mount'),
  async (t) => {
    const under = inMountNamespace('mount -t proc proc "$JAIL/proc"');
    const ofRoot = await tryToEscape(t, { user: 'nobody' }, { under });
    assert.ok(ofRoot.includes(`proc ${EACCES}`), ofRoot.join());
    assert.ok(ofRoot.includes(`unshare ${EPERM}`), ofRoot.join());
    const ofNobody = await tryToEscape(t, { user: 'nobody' }, { under, outsiderUser: NOBODY });
    assert.ok(ofNobody.includes('kill 0'), 'a user of its own is what keeps it apart');
  },
);

test(
  'root, and a directory that was kept, lead out: the attempts are real',
  needs('root', 'unshare'),
  async (t) => {
    const under = inMountNamespace('exec 9</');
    const results = await tryToEscape(t, { keep: [9] }, { under });
    for (const way of ['kill', 'ptrace', 'mknod', 'mount', 'chroot']) {
      assert.ok(results.includes(`${way} 0`), `${way}: ${results}`);
    }
    assert.ok(results.includes('directory 9'));
    assert.ok(results.includes('outside by descriptor'));
    assert.ok(results.includes('outside by chroot'));
  },
);

test(
  'directories: inherited ones are closed, those of the script refused',
  needsRoot,
  async (t) => {
    const { nest, jail } = nestWithJail(t);
    const under = ['sh', '-c', 'exec 9</usr; "$@"; exit $?', 'sh'];
    const { pid } = await nest.start('serve', { chroot: jail, user: 'nobody' }, { under });
    const open = Object.values(descriptors(pid)).filter((target) => target.startsWith('/'));
    for (const target of open) assert.equal(statSync(target).isDirectory(), false, target);
    await nest.end(pid);
    rmSync(nest.pidfile); // emptied, because the user nobody may not remove it
    const words =
      /EPERM: descriptor \d+ leads out of it, to \/usr \(close it, or keep: \[\d+\]\), /;
    const hook = await nest.fails('directoryInHook', { chroot: jail });
    assert.match(hook.stderr, words);
    assert.match(hook.stderr, /did not start: step chroot: /);
    const again = new Nest(t, 'reexec');
    const started = await again.start('directoryOnce', { chroot: jail });
    await again.end(started.pid);
    const stays = { chroot: jail, closeInherited: false };
    const inherited = await nest.fails('serve', stays, { under });
    assert.match(inherited.stderr, words);
    assert.match(inherited.stderr, /step: 'chroot'/);
  },
);

test('its own files, its log and pidfile inside, and reopened there', needsRoot, async (t) => {
  const { nest, jail } = nestWithJail(t);
  mkdirSync(`${jail}/log`);
  chownSync(`${jail}/log`, NOBODY, NOBODY);
  writeFileSync(`${jail}/index.html`, '<p>inside\n');
  const log = `${jail}/log/d.log`;
  const options = { chroot: jail, user: 'nobody', log, reopenOn: 'SIGHUP' as const };
  const { pid, port } = await nest.start('serve', options);
  assert.equal(await ask(port, '/page'), '<p>inside\n');
  assert.equal(readlinkSync(`/proc/${pid}/root`), jail);
  await ask(port, '/log');
  renameSync(log, `${log}.1`);
  process.kill(pid, 'SIGHUP');
  await until('the log is there again', () => existsSync(log));
  assert.equal(statSync(log).uid, NOBODY, 'made by the daemon itself');
  await nest.end(pid);
});

test('in a directory without anything, with one that was a link', needsRoot, async (t) => {
  const { nest, jail } = nestWithJail(t);
  renameSync(jail, `${nest.directory}/real`);

  symlinkSync('real', jail);
  const { pid, port } = await nest.start('serve', { chroot: jail, user: 'nobody' });
  assert.equal(readlinkSync(`/proc/${pid}/root`), `${nest.directory}/real`);
  assert.equal(descriptors(pid)[0], '/dev/null', 'opened before');
  await ask(port, '/log');
  assert.match(nest.logged(), /^to stdout$/m);
  await nest.end(pid);
  assert.deepEqual(readdirSync(`${nest.directory}/real`), []);
});

test(
  'capabilities are gone, and with noNewPrivileges cannot come back',
  needs('root', 'setpriv'),
  async (t) => {
    const nest = new Nest(t);
    chmodSync(nest.directory, 0o755);
    const id = `${nest.directory}/id`;
    copyFileSync('/usr/bin/id', id);
    chmodSync(id, 0o4755);
    const under = ['setpriv', '--inh-caps=+net_bind_service', '--ambient-caps=+net_bind_service'];
    for (const noNewPrivileges of [false, true]) {
      const options = { user: 'nobody', noNewPrivileges };
      const { pid, port } = await nest.start('serve', options, { under, env: { ID: id } });
      for (const tid of threadIds(pid)) {
        const { CapPrm, CapEff, CapAmb } = status(pid, tid);
        assert.deepEqual(
          [CapPrm, CapEff, CapAmb].map((set) => BigInt(`0x${set}`)),
          [0n, 0n, 0n],
        );
      }
      const { CapInh, NoNewPrivs } = status(pid);
      assert.equal(BigInt(`0x${CapInh}`) === 0n, noNewPrivileges);
      assert.equal(NoNewPrivs, noNewPrivileges ? '1' : '0');
      assert.equal(await ask(port, '/id'), noNewPrivileges ? `${NOBODY}\n` : '0\n');
      await nest.end(pid);
    }
  },
);

// libuv has a ring with a kernel thread for files on Node 20 with UV_USE_IO_URING=1 (CVE-2024-22017),
// and rings without one for its epolls from Node 22 on.
for (const UV_USE_IO_URING of [undefined, '0', '1']) {
  test(`rings do not read as root: UV_USE_IO_URING=${UV_USE_IO_URING}`, needsRoot, async (t) => {
    const nest = new Nest(t);
    const secret = `${nest.directory}/secret`;
    writeFileSync(secret, 'root only', { mode: 0o600 });
    chmodSync(nest.directory, 0o755);
    const env = { SECRET: secret, UV_USE_IO_URING };
    for (const strategy of ['fork', 'reexec'] as const) {
      rmSync(nest.pidfile, { force: true });
      const options = { user: 'nobody', strategy };
      const { code, stderr, port } = await nest.launch('readsSecret', options, { env });
      if (code === 0) {
        assert.equal(await ask(port, '/secret'), 'EACCES');
        await nest.end(nest.pid());
      } else {
        assert.equal(UV_USE_IO_URING, '1', stderr);
        assert.match(stderr, /ring \d+ would keep running as root|ring has a kernel thread/);
        assert.deepEqual(nest.processes(), []);
      }
    }
  });
}

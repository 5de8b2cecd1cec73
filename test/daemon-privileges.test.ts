// A daemon that becomes another user, in another root directory.
import assert from 'node:assert/strict';
import { chownSync, existsSync, mkdirSync, readFileSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { ask, bothWays, Nest } from './tools/daemons.js';
import { needs, needsRoot } from './tools/needs.js';
import { status, threadIds } from './tools/proc.js';

const NOBODY = 65534;

/** The ids of all threads: real, effective, saved, of the file system. */
function ids(pid: number, field: 'Uid' | 'Gid'): number[] {
  const lines = threadIds(pid).map((tid) => status(pid, tid)[field] ?? '');
  assert.equal(new Set(lines).size, 1, `the threads differ: ${lines}`);
  return (lines[0] ?? '').split('\t').map(Number);
}

function groups(pid: number): number[] {
  return (status(pid).Groups ?? '').split(' ').filter(Boolean).map(Number);
}

/** Root without some of its capabilities. */
function without(...capabilities: string[]): string[] {
  return ['setpriv', `--bounding-set=${capabilities.map((name) => `-${name}`).join()}`];
}

bothWays(
  'user: all ids of all threads, and none of the old groups',
  async (nest) => {
    const under = ['setpriv', '--groups=0,4,24'];
    const { pid, port } = await nest.start('serve', { user: 'nobody' }, { under });
    assert.deepEqual(ids(pid, 'Uid'), Array(4).fill(NOBODY));
    assert.deepEqual(ids(pid, 'Gid'), Array(4).fill(NOBODY));
    assert.deepEqual(groups(pid), [NOBODY]);
    const { CapPrm, CapEff } = status(pid);
    assert.deepEqual([CapPrm, CapEff].map(Number), [0, 0]);
    assert.equal((await ask(port, '/log')).pid, pid);
    assert.match(nest.logged(), /^to stdout$/m, 'the log was opened before');
  },
  needs('root', 'setpriv'),
);

test('user and group by number, and a group alone', needs('root', 'setpriv'), async (t) => {
  const nest = new Nest(t);
  const first = await nest.start('serve', { user: 54321, group: 12345 });
  assert.deepEqual(ids(first.pid, 'Uid'), Array(4).fill(54321));
  assert.deepEqual(ids(first.pid, 'Gid'), Array(4).fill(12345));
  assert.deepEqual(groups(first.pid), [12345]);
  await nest.end(first.pid);
  const second = await nest.start(
    'serve',
    { group: 'daemon' },
    { under: ['setpriv', '--groups=4'] },
  );
  assert.deepEqual(ids(second.pid, 'Uid'), Array(4).fill(0));
  assert.deepEqual(ids(second.pid, 'Gid'), Array(4).fill(1));
  assert.deepEqual(groups(second.pid), [1]);
});

test('the pidfile is removed if the user may, and emptied otherwise', needsRoot, async (t) => {
  const nest = new Nest(t);
  const pidfile = `${nest.directory}/run/d.pid`;
  mkdirSync(`${nest.directory}/run`);
  const first = await nest.start('serve', { user: 'nobody' });
  assert.equal(nest.pid(), first.pid);
  await nest.end(first.pid);
  assert.equal(readFileSync(nest.pidfile, 'utf8'), '');

  for (const directory of [nest.directory, `${nest.directory}/run`]) {
    chownSync(directory, NOBODY, NOBODY);
  }
  const { code } = await nest.launch('serve', { user: 'nobody', pidfile });
  assert.equal(code, 0);
  await nest.end(Number(readFileSync(pidfile, 'utf8')));
  assert.equal(existsSync(pidfile), false);
});

bothWays(
  'chroot: root and working directory, the old log, no pidfile left',
  async (nest) => {
    const jail = `${nest.directory}/jail`;
    mkdirSync(`${jail}/var/run`, { recursive: true });
    const pidfile = `${jail}/var/run/d.pid`;
    const { code, port } = await nest.launch('serve', { chroot: jail, pidfile });
    assert.equal(code, 0);
    const pid = Number(readFileSync(pidfile, 'utf8'));
    assert.equal(readlinkSync(`/proc/${pid}/root`), jail);
    assert.equal(readlinkSync(`/proc/${pid}/cwd`), jail);
    assert.equal((await ask(port, '/log')).cwd, '/');
    assert.match(nest.logged(), /^to stdout$/m);
    await nest.end(pid);
    assert.equal(existsSync(pidfile), false);
  },
  needsRoot,
);

test('chroot, user and a directory inside; a pidfile outside is emptied', needsRoot, async (t) => {
  const nest = new Nest(t);
  const jail = `${nest.directory}/jail`;
  mkdirSync(`${jail}/srv`, { recursive: true });
  const options = { chroot: jail, cwd: '/srv', user: 'nobody' };
  const { pid, port } = await nest.start('serve', options);
  assert.equal(readlinkSync(`/proc/${pid}/cwd`), `${jail}/srv`);
  assert.equal((await ask(port)).cwd, '/srv');
  assert.deepEqual(ids(pid, 'Uid'), Array(4).fill(NOBODY));
  await nest.end(pid);
  assert.equal(readFileSync(nest.pidfile, 'utf8'), '');
  const { stderr } = await nest.launch('serve', { ...options, cwd: '/no' });
  assert.match(stderr, /step: 'chroot'/);
});

test(
  'what is not permitted is told before anything is done',
  needs('root', 'setpriv'),
  async (t) => {
    const nest = new Nest(t);
    const told = async (options: object, under: string[]) => {
      const { stdout, stderr } = await nest.fails('serve', options, { under });
      assert.match(stdout, /^exit 1 of/m, 'it was an error of the script');
      const [, message, step] = /Error: (.*)(?:.*\n)* +step: '(.*)'/.exec(stderr) ?? [];
      assert.ok(message?.startsWith(`becomeDaemon: step ${step}: `), message);
      return message?.slice('becomeDaemon: step '.length);
    };
    const needs = '(needs root, or CAP_SETUID and CAP_SETGID)';
    const user = { user: 'nobody' };
    const chroot = await told({ chroot: nest.directory }, without('sys_chroot'));
    const root = `chroot '${nest.directory}' (needs root, or CAP_SYS_CHROOT)`;
    assert.equal(chroot, `chroot: EPERM: operation not permitted, ${root}`);
    const groups = await told(user, without('setgid'));
    assert.equal(groups, `setgroups: EPERM: operation not permitted, setgroups ${needs}`);
    assert.equal(
      await told(user, without('setuid')),
      `setuid: EPERM: operation not permitted, setresuid ${needs}`,
    );
  },
);

test(
  'a saved id is enough to become a group, and all three are changed',
  needs('root', 'setpriv'),
  async (t) => {
    const nest = new Nest(t);
    const under = ['setpriv', '--groups=65534', '--egid=65534', '--bounding-set=-setgid'];
    const { pid } = await nest.start('serve', { group: 'nogroup' }, { under });
    assert.deepEqual(ids(pid, 'Gid'), Array(4).fill(NOBODY));
  },
);

test(
  'a process that could become root again does not become a daemon',
  needs('root', 'setpriv'),
  async (t) => {
    const nest = new Nest(t);
    // Capabilities that survive setuid(2): see capabilities(7).
    const under = ['setpriv', '--securebits=+no_setuid_fixup'];
    const { code, stderr } = await nest.fails('serve', { user: 'nobody' }, { under });
    assert.equal(code, 1);
    assert.match(
      stderr,
      /step drop: ERR_PRIVILEGES_KEPT: privileges are not dropped: capabilities are left/,
    );
  },
);

test('becoming who one is already needs no privileges', needs('root', 'setpriv'), async (t) => {
  const nest = new Nest(t);
  const under = ['setpriv', '--groups=0', '--bounding-set=-setuid,-setgid'];
  const { pid } = await nest.start('serve', { user: 'root' }, { under });
  assert.deepEqual(ids(pid, 'Uid'), [0, 0, 0, 0]);
  assert.deepEqual(groups(pid), [0]);
});

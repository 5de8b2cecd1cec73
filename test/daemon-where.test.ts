// Daemons of ordinary users, in namespaces and chroots, under a minimal init.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdirSync, readlinkSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { pidfileRead } from 'daemonkit';
import { ask, bothWays, Nest, until } from './tools/daemons.js';
import { often } from './tools/full.js';
import { needs } from './tools/needs.js';
import { descriptors, stat, status } from './tools/proc.js';

const NOBODY = 65534;
const TERMINAL = fileURLToPath(new URL('../../test/tools/terminal.py', import.meta.url));
const AS_NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];

/** Node may lie in root's home directory. */
const { status: ended } = spawnSync(process.execPath, ['-v'], { uid: NOBODY, gid: NOBODY });
const nobodyReachesNode = ended === 0;

bothWays(
  'an ordinary user has a daemon, on a terminal too, and one only',
  async (nest, t) => {
    if (nest.strategy === 'reexec' && !nobodyReachesNode) {
      return t.skip('needs a node that ordinary users may execute');
    }
    chownSync(nest.directory, NOBODY, NOBODY);
    const { pid, port } = await nest.start('serve', {}, { under: AS_NOBODY });
    assert.equal(status(pid).Uid, Array(4).fill(NOBODY).join('\t'));
    assert.equal((await ask(port)).pid, pid);
    const second = await nest.launch('serve', {}, { under: AS_NOBODY });
    assert.match(second.stderr, new RegExp(`EEXIST: already running as process ${pid}, `));
    await nest.end(pid);
    assert.equal(existsSync(nest.pidfile), false);

    const under = ['python3', TERMINAL, ...AS_NOBODY];
    const third = await nest.start('serve', {}, { under, stdio: ['pipe', 'pipe', 'pipe'] });
    assert.equal(stat(third.pid)[4], '0', 'no terminal');
    // A c-ares that was built without getrandom(2), as that of the wheels for musl, keeps its source open.
    const targets = Object.values(descriptors(third.pid)).filter((to) => to !== '/dev/urandom');
    assert.deepEqual(
      targets.filter((target) => target.startsWith('/dev/') && target !== '/dev/null'),
      [],
    );
    await nest.end(third.pid);
  },
  needs('root', 'setpriv'),
);

bothWays(
  'in a PID namespace, below a minimal init',
  async (nest) => {
    const init = '"$@"; echo "launcher $?"; read line';
    const command = nest.command('serve', { detach: true });
    const args = ['--pid', '--fork', '--mount-proc', '--kill-child', 'sh', '-c', init, 'sh'];
    const child = spawn('unshare', [...args, ...command], {
      env: nest.env(),
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    try {
      let output = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
      await until('the launcher has ended', () => output.includes('launcher 0'));
      const { pid, ppid } = await ask(Number(/port (\d+)/.exec(output)?.[1]));
      assert.equal(pid, nest.pid(), 'as the namespace has it');
      assert.equal(ppid, 1);
      const inside = nest.processes().filter((other) => status(other).NSpid?.endsWith(`\t${pid}`));
      assert.equal(inside.length, 1);
      await nest.end(inside[0] ?? 0);
      assert.equal(existsSync(nest.pidfile), false);
    } finally {
      const exit = once(child, 'exit');
      child.stdin.end();
      await exit;
    }
    assert.deepEqual(nest.processes(), []);
  },
  needs('root', 'unshare'),
);

test('the first process of a namespace is no launcher', needs('root', 'unshare'), async (t) => {
  const nest = new Nest(t);
  const under = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];
  const { stderr } = await nest.fails('serve', { detach: true }, { under });
  assert.match(stderr, /ENOTSUP: process 1 cannot leave a daemon behind: .*, fork\n/);
  assert.match(stderr, /step: 'fork'/);
});

test('root of a user namespace, with a chroot', needs('root', 'unshare'), async (t) => {
  const nest = new Nest(t);
  const jail = `${nest.directory}/jail`;
  mkdirSync(jail);
  const { pid, port } = await nest.start('serve', { chroot: jail }, { under: ['unshare', '-Ur'] });
  assert.equal((await ask(port)).pid, pid);
  assert.equal(readlinkSync(`/proc/${pid}/root`), jail);
  assert.notEqual(readlinkSync(`/proc/${pid}/ns/user`), readlinkSync('/proc/self/ns/user'));
  await nest.end(pid);
  rmSync(nest.pidfile, { force: true });
  const denied = await nest.fails('serve', { user: 'nobody' }, { under: ['unshare', '-Ur'] });
  assert.match(denied.stderr, /EPERM: this user namespace forbids it .*, setgroups\n/);
});

bothWays(
  'a launcher that is in a chroot itself',
  async (nest) => {
    const jail = `${nest.directory}/all`;
    mkdirSync(jail);
    const script = 'mount --rbind / "$JAIL" && exec chroot "$JAIL" "$@"';
    const under = ['unshare', '-m', 'sh', '-c', script, 'sh'];
    const options = { chroot: '/usr', user: 'nobody' };
    const { pid, port } = await nest.start('serve', options, { under, env: { JAIL: jail } });
    assert.equal((await ask(port)).pid, pid);
    assert.equal(readlinkSync(`/proc/${pid}/root`), `${jail}/usr`);
    await nest.end(pid);
  },
  needs('root', 'unshare', 'mount'),
);

bothWays(
  'a script without 0, 1 or 2: the files of the daemon do not get their numbers',
  async (nest, t) => {
    const ways: { shell?: string; closes?: string }[] = [
      { shell: '<&- >&- 2>&-' },
      { closes: '0 1 2' },
      { shell: '2>&-' },
      { closes: '1' },
      { shell: '<&-' },
      { shell: '>&-' },
      { closes: '0' },
      { closes: '2' },
    ];
    for (const { shell = '', closes = '' } of ways.slice(0, often(8, 4))) {
      const one = new Nest(t, nest.strategy);
      const under = ['sh', '-c', `exec "$@" ${shell}`, 'sh'];
      const { code, stderr } = await one.launch(
        'withoutStandard',
        {},
        { under, env: { CLOSES: closes } },
      );
      // What is said before it is ready reaches the launcher, if that has somewhere to say it.
      const said = /2/.test(`${shell}${closes}`) ? '' : 'to stderr\n';
      assert.deepEqual([code, stderr], [0, said], `${shell}${closes}`);
      const pid = one.pid();
      const open = descriptors(pid);
      assert.deepEqual([open[0], open[1], open[2]], ['/dev/null', one.log, one.log]);
      await until('both have been written', () => /^to stderr$/m.test(one.logged()));
      assert.match(one.logged(), /^to stdout$/m);
      assert.deepEqual(pidfileRead(one.pidfile).state, 'running');
      await one.end(pid);
      assert.equal(existsSync(one.pidfile), false);
    }
  },
);

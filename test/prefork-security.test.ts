// What workers give up while their master keeps it: user, groups, root directory, limits.
import assert from 'node:assert/strict';
import { chmodSync, closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { prefork } from 'daemonkit';
import { until } from './tools/daemons.js';
import { needs, needsRoot } from './tools/needs.js';
import { Clients, Preforked } from './tools/preforked.js';
import { status, threadIds } from './tools/proc.js';
import { scratch } from './tools/scratch.js';

const NOBODY = 65534;

/** A directory that everyone may enter, as root directory. */
function jailFor(t: TestContext): string {
  const jail = scratch(t);
  chmodSync(jail, 0o755);
  return jail;
}

/** A field of all threads of a process, each value once. */
function everywhere(pid: number, field: string): string[] {
  const all = threadIds(pid).map((tid) => status(pid, tid));
  // For a thread that has ended there is nothing to read.
  return [...new Set(all.flatMap((one) => (one[field] === undefined ? [] : one[field].trim())))];
}

/** The soft and the hard limit. */
function limitOf(pid: number, name: string): string {
  const lines = readFileSync(`/proc/${pid}/limits`, 'latin1').split('\n');
  const line = lines.find((text) => text.startsWith(name)) ?? '';
  return line.slice(name.length).trim().split(/\s+/, 2).join(' ');
}

function expectDropped(pid: number): void {
  assert.ok(threadIds(pid).length > 1);
  const nobody = Array(4).fill(NOBODY).join('\t');
  assert.deepEqual(everywhere(pid, 'Uid'), [nobody]);
  assert.deepEqual(everywhere(pid, 'Gid'), [nobody]);
  assert.deepEqual(everywhere(pid, 'Groups'), [`${NOBODY}`]);
  assert.deepEqual(everywhere(pid, 'NoNewPrivs'), ['1']);
  for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb']) {
    assert.deepEqual(everywhere(pid, set), ['0000000000000000'], set);
  }
}

test(
  'workers drop everything in all threads; the master keeps it, reloads and ends them',
  needsRoot,
  async (t) => {
    const jail = jailFor(t);
    const server = await Preforked.ready(t, {
      options: {
        user: 'nobody',
        chroot: jail,
        noNewPrivileges: true,
        rlimits: { NOFILE: { soft: 500, hard: 600 }, CORE: { hard: 0, soft: 0 } },
        title: 'jailed',
        idleTimeout: 120_000,
        stopTimeout: 240_000,
      },
    });
    const check = (pids: number[]) => {
      for (const pid of pids) {
        expectDropped(pid);
        assert.deepEqual(
          [readlinkSync(`/proc/${pid}/root`), readlinkSync(`/proc/${pid}/cwd`)],
          [jail, jail],
        );
        assert.equal(limitOf(pid, 'Max open files'), '500 600');
        assert.equal(limitOf(pid, 'Max core file size'), '0 0');
        assert.match(readFileSync(`/proc/${pid}/cmdline`, 'latin1'), /^jailed: worker [123]/);
      }
    };
    const before = server.workers();
    check(before);
    assert.deepEqual(everywhere(server.pid, 'Uid'), ['0\t0\t0\t0']);
    assert.deepEqual(everywhere(server.pid, 'NoNewPrivs'), ['0']);
    assert.equal(readlinkSync(`/proc/${server.pid}/root`), '/');
    assert.notEqual(limitOf(server.pid, 'Max open files'), '500 600');

    const clients = new Clients(server, 6);
    await until('the first generation', () => clients.generations.has(0));
    server.kill('SIGHUP');
    await until('the reload', () => server.exits().length === 3);
    await until('the next generation', () => clients.generations.has(1));
    await clients.stop();
    assert.deepEqual(clients.failures, []);
    check(server.workers());
    // From within, by the program of a worker itself.
    server.kill('SIGTERM', server.workers()[0]);
    await until('it has left', () => server.exits().length === 4);
    await until('its successor', () => server.workers().length === 3);
    for (const { exitCode, signal } of server.exits())
      assert.deepEqual([exitCode, signal], [0, null]);
    await server.stops();
    assert.deepEqual(server.events('error'), []);
  },
);

test('one thing alone: a group, no new privileges as anybody', needsRoot, async (t) => {
  const options = { group: 'nogroup', noNewPrivileges: true, workers: 1 };
  const server = await Preforked.ready(t, { options });
  const [pid = 0] = server.workers();
  assert.deepEqual(everywhere(pid, 'Uid'), ['0\t0\t0\t0']);
  assert.deepEqual(everywhere(pid, 'Gid'), [Array(4).fill(NOBODY).join('\t')]);
  assert.deepEqual(everywhere(pid, 'NoNewPrivs'), ['1']);
  assert.deepEqual(everywhere(pid, 'Seccomp'), ['0']);
  await server.stops();
});

test('no root is needed for what needs none', needs('root', 'setpriv'), async (t) => {
  const under = ['setpriv', '--reuid=65534', '--regid=65534', '--groups=65534'];
  const options = { noNewPrivileges: true, rlimits: { NOFILE: { soft: 400 } }, workers: 1 };
  const server = new Preforked(t, { options }, under);
  await server.hears('ready');
  const [pid = 0] = server.workers();
  expectDropped(pid);
  assert.match(limitOf(pid, 'Max open files'), /^400 /);
  await server.stops();
});

test(
  'a worker in which a step fails ends, and its message names the step',
  needs('root', 'setpriv'),
  async (t) => {
    // Capabilities that survive setuid(2), see capabilities(7): what no check finds beforehand.
    const under = ['setpriv', '--securebits=+no_setuid_fixup'];
    const options = { user: 'nobody', workers: 1, respawn: { attempts: 2, delay: 1 } };
    const server = new Preforked(t, { options }, under);
    await server.hears('not ready');
    const [code] = await server.ended;
    assert.equal(code, 1);
    assert.match(server.stderr, /a worker cannot start: step drop: .*capabilities are left/);
    assert.deepEqual(
      server.exits().map(({ exitCode, ready }) => [exitCode, ready]),
      [
        [1, false],
        [1, false],
      ],
    );
  },
);

test('what could not be done is told before anything is', needsRoot, async (t) => {
  const jail = jailFor(t);
  const onWorkerStart = () => {};
  const before = readdirSync('/proc/self/fd').length;
  const fails = (options: object, error: object) => {
    const listen = { port: 0, host: '127.0.0.1' };
    assert.throws(
      () => prefork({ onWorkerStart, listen, ...options } as never),
      error,
      `${Object.entries(options)}`,
    );
  };
  fails({ user: 'no-such-user' }, { code: 'ENOENT', syscall: 'getpwnam', step: 'setgroups' });
  fails({ group: 'no-such-group' }, { code: 'ENOENT', syscall: 'getgrnam', step: 'setgroups' });
  fails({ chroot: `${jail}/none` }, { code: 'ENOENT', step: 'chroot' });
  fails({ chroot: '/etc/passwd' }, { code: 'ENOTDIR', step: 'chroot' });
  fails({ rlimits: { NOFILE: { soft: 2n ** 60n } } }, { code: 'EINVAL', step: 'rlimits' });
  const way = openSync('/', 'r');
  fails({ chroot: jail }, { code: 'EPERM', step: 'chroot', message: /leads out of it/ });
  closeSync(way);
  fails({ user: -1 }, { code: 'ERR_OUT_OF_RANGE' });
  fails({ user: {} }, { code: 'ERR_INVALID_ARG_TYPE' });
  fails({ chroot: '' }, { code: 'ERR_INVALID_ARG_VALUE' });
  fails({ noNewPrivileges: 1 }, { code: 'ERR_INVALID_ARG_TYPE' });
  fails({ rlimits: 5 }, { code: 'ERR_INVALID_ARG_TYPE' });
  fails({ rlimits: { NOFIL: { soft: 1 } } }, { code: 'ERR_INVALID_ARG_VALUE' });
  fails({ rlimits: { NOFILE: {} } }, { code: 'ERR_INVALID_ARG_VALUE' });
  fails({ rlimits: { NOFILE: { soft: 2, hard: 1 } } }, { code: 'ERR_OUT_OF_RANGE' });
  assert.equal(readdirSync('/proc/self/fd').length, before);
});

test('without root it is told beforehand, too', needs('root', 'setpriv', 'prlimit'), async (t) => {
  const refused = async (options: object, words: RegExp, under: string[]) => {
    const server = new Preforked(t, { options: { ...options, workers: 1 } }, under);
    assert.equal((await server.ended)[0], 1);
    assert.match(server.stderr, words);
    assert.deepEqual(server.said, []);
  };
  const without = (name: string) => ['setpriv', `--bounding-set=-${name}`];
  const user = { user: 'nobody' };
  await refused(user, /EPERM.*setresuid(.*\n)*.*step: 'setuid'/, without('setuid'));
  await refused(user, /EPERM.*setgroups(.*\n)*.*step: 'setgroups'/, without('setgid'));
  const chroot = { chroot: '/tmp' };
  await refused(chroot, /EPERM.*chroot(.*\n)*.*step: 'chroot'/, without('sys_chroot'));
  const core = { rlimits: { CORE: { hard: 1 } } };
  const low = ['prlimit', '--core=0:0', ...without('sys_resource')];
  await refused(core, /EPERM.*setrlimit(.*\n)*.*step: 'rlimits'/, low);
});

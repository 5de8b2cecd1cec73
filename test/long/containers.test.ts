// Where containers differ from a machine, one by one: user namespaces, a /proc that hides, a root that is read-only, a
// number of processes that is small, memory, orphans.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { Agent, get } from 'node:http';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DaemonOptions } from 'daemonkit';
import { AS_PROCESS_1, contained, DOCKER, mounted, OUTER_PROC } from '../tools/contained.js';
import { ask, bothWays, Nest, until } from '../tools/daemons.js';
import { cleanEnvironment } from '../tools/environment.js';
import { Manager } from '../tools/manager.js';
import { needs, needsOpenFolders } from '../tools/needs.js';
import { collect } from '../tools/output.js';
import { root } from '../tools/package.js';
import { freePort } from '../tools/port.js';
import { Preforked } from '../tools/preforked.js';
import { childrenOf, descriptors, killIfThere, status } from '../tools/proc.js';
import { fixture } from '../tools/run.js';
import { scratch } from '../tools/scratch.js';
import { linesOf, runScript } from '../tools/script.js';
import { Watched } from '../tools/watched.js';

const CLI = fixture('../../lib/cli/bin.js');

const SAYS = `
  const say = (value) => fs.writeSync(1, JSON.stringify(value) + '\\n');
  const code = (call) => { try { return call() ?? 'none'; } catch ({ code, syscall, message }) { return [code, syscall, message]; } };
`;

test('Docker: a service tells its manager', needs('root'), async (t) => {
  const command = [process.execPath, fixture('service.js'), 'reloads', '{}'];
  const manager = await Manager.start(t, [...DOCKER, ...command], { execPid: true });
  await manager.hears('STATUS=serving');
  assert.ok(manager.messages.every(({ pid }) => pid === manager.service));
  process.kill(manager.service, 'SIGTERM');
  assert.deepEqual((await manager.exits(0)).at(-1), ['STOPPING=1']);
});

test('Docker: workers of another user are replaced for their memory, or as they hang', {
  ...needs('root'),
}, async (t) => {
  const confined = { user: 'nobody', chroot: '/usr' };
  const options = { workers: 2, ...confined, maxMemory: 100 * 2 ** 20, hangTimeout: 2000 };
  const server = new Watched(t, { options }, DOCKER, 'watched.js');
  await server.hears('ready');
  await server.sees('what all weigh', (all) => all.every(({ privateBytes }) => privateBytes));
  const pid = await server.knock(`/grow?n=${150 * 2 ** 20}`);
  await until('it is replaced', () => server.exits().length >= 1);
  const [exit] = server.exits();
  assert.deepEqual([exit?.pid, exit?.reason], [pid, 'maxMemory']);
  const deaf = await server.knock('/spin');
  await until('it is killed', () => server.exits().length >= 2);
  assert.deepEqual(
    server
      .exits()
      .slice(1)
      .map((one) => [one.pid, one.reason]),
    [[deaf, 'hang']],
  );
  await server.stops();
});

test('a master that has dropped its privileges may not look at its workers either', {
  ...needs('root'),
}, () => {
  const said = linesOf<unknown>(
    `${SAYS}
    daemonkit.dropPrivileges({ user: 'nobody' });
    const master = daemonkit.prefork({ workers: 1, maxMemory: 2 ** 40, onWorkerStart() {} });
    await master.ready;
    const weight = () => master.stats().workers[0].privateBytes;
    for (const end = Date.now() + 25_000; weight() === null && Date.now() < end; )
      await new Promise((resolve) => setTimeout(resolve, 50));
    say(weight() > 2 ** 20);
    await master.stop();
    process.exit();`,
    { via: ['sh', '-c', 'cd / && exec "$@"', 'sh'], timeout: 60_000 },
  );
  assert.deepEqual(said, [true]);
});

/** The user who may write in a test's directory. */
function given(nest: { directory: string }, id: number): void {
  chownSync(nest.directory, id, id);
  chmodSync(nest.directory, 0o755);
}

describe('user namespaces', () => {
  const open = needsOpenFolders();

  test(
    'root alone is mapped: nobody else can be become, and that is said first',
    needs('root'),
    () => {
      const via = contained('--map 0:0:1');
      const said = linesOf<unknown>(
        `${SAYS}
      const pid = daemonkit.fork();
      if (pid === 0) daemonkit._exit(7);
      say(daemonkit.waitpid(pid).exitCode);
      say(code(() => daemonkit.prefork({ onWorkerStart() {}, user: 'nobody' })));
      say(code(() => daemonkit.becomeDaemon({ user: 'nobody' })));
      say([process.getuid(), process.getgroups()]);
      say(code(() => daemonkit.dropPrivileges({ user: 'nobody' })));`,
        { via },
      );
      const [pid, ...refused] = said;
      assert.equal(pid, 7);
      const words = /EINVAL: id \d+ does not exist in this user namespace, set/;
      for (const one of [refused[0], refused[1]] as string[][]) {
        assert.equal(one[0], 'EINVAL');
        assert.match(one[2] ?? '', words);
      }
      assert.deepEqual(refused[2], [0, [0]]);
      assert.equal((refused[3] as string[])[0], 'EINVAL');
    },
  );

  bothWays(
    '65,536 are mapped, as in rootless Docker: a daemon of another user',
    async (nest) => {
      given(nest, 100_000);
      const under = contained('--map 0:100000:65536', '--seccomp docker', '--caps docker');
      const { pid, port } = await nest.start('serve', { user: 'nobody' }, { under });
      assert.equal((await ask(port)).pid, pid);
      assert.equal(status(pid).Uid, [165_534, 165_534, 165_534, 165_534].join('\t'));
      await nest.end(pid);
      assert.equal(existsSync(nest.pidfile), true, 'nobody may not remove it');
    },
    open,
  );

  bothWays(
    'nobody is mapped',
    async (nest) => {
      const { pid, port } = await nest.start('serve', {}, { under: contained('--map none') });
      assert.equal((await ask(port)).pid, pid);
      await nest.end(pid);
      assert.equal(existsSync(nest.pidfile), false);
      const denied = await nest.fails('serve', { user: 1 }, { under: contained('--map none') });
      assert.match(denied.stderr, /E(PERM|INVAL): /);
    },
    open,
  );
});

const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];

for (const options of ['hidepid=1', 'hidepid=2', 'hidepid=4', 'hidepid=2,subset=pid']) {
  test(`/proc with ${options}`, needs('root', 'unshare', 'mount', 'setpriv'), async (t) => {
    const proc = mounted(`mount -t proc -o ${options} proc /proc`);
    const probe = spawnSync(proc[0] ?? '', [...proc.slice(1), 'true'], { encoding: 'utf8' });
    if (probe.status !== 0) return t.skip(`this kernel has no ${options}: ${probe.stderr}`);
    const nest = new Nest(t);
    given(nest, 65_534);
    const under = [...proc, ...NOBODY];
    const { pid, port } = await nest.start('serve', {}, { under });
    assert.equal((await ask(port)).pid, pid);
    const command = (as: string[], ...args: string[]) => {
      const [program = '', ...rest] = [...proc, ...as, process.execPath, CLI, ...args];
      const { status, stdout, stderr } = spawnSync(program, rest, { encoding: 'utf8' });
      return { status, text: stdout + stderr };
    };
    // Its own user and root see it; for others it is unknown.
    assert.match(
      command(NOBODY, 'status', '--pidfile', nest.pidfile).text,
      new RegExp(`\\b${pid}\\b`),
    );
    const other = ['setpriv', '--reuid=61234', '--regid=61234', '--clear-groups'];
    const seen = command(other, 'status', '--json', '--pidfile', nest.pidfile);
    assert.match(seen.text, /"state":"(unknown|running)"/);
    const nowhere = command(other, 'status', '--pidfile', join(nest.directory, 'nothing.pid'));
    assert.equal(nowhere.status, 3, nowhere.text);
    assert.equal(command(NOBODY, 'stop', '--pidfile', nest.pidfile).status, 0);
    assert.deepEqual(nest.processes(), []);

    // A master, whose workers it may not look at.
    const server = new Preforked(t, { options: { workers: 2, user: 'nobody' } }, proc);
    await server.hears('ready');
    server.kill('SIGHUP');
    await server.hears('exit', 2);
    await server.ask();
    await server.stops();
    assert.equal(server.stderr, '');
  });
}

test("a supervisor is told by the parent's name, not by that of somebody else with its number", {
  ...needs('root', 'unshare'),
}, async (t) => {
  const folder = scratch(t);
  const runsv = join(folder, 'runsv');
  copyFileSync('/bin/sleep', runsv);
  chmodSync(runsv, 0o755);
  const other = spawn(runsv, ['600'], { stdio: 'ignore' });
  t.after(() => killIfThere(other.pid ?? 0));
  await once(other, 'spawn');
  await until('it has its name', () => status(other.pid ?? 0).Name === 'runsv');
  // In the namespace the shell above the script gets the number that runsv has out here.
  const shell = `echo ${(other.pid ?? 0) - 1} > /proc/sys/kernel/ns_last_pid; sh -c '"$@"; exit $?' sh "$@"`;
  const said = linesOf<unknown>(`${SAYS} say([daemonkit.getppid(), daemonkit.supervisor()]);`, {
    via: [...OUTER_PROC, 'sh', '-c', `${shell}; exit $?`, 'sh'],
  });
  assert.deepEqual(said, [[other.pid, null]]);
});

test(
  "below tini an upgrade is refused, as its end would be the container's",
  needs('root', 'unshare'),
  async (t) => {
    // What tini does, as far as it matters: it starts one program, and ends with it.
    const tini = ['sh', '-c', '"$@"; exit $?', 'tini'];
    const server = new Preforked(t, { options: { workers: 1 } }, [...AS_PROCESS_1, ...tini]);
    await server.hears('ready');
    const first = childrenOf(server.pid)[0] ?? 0;
    const [master = 0] = childrenOf(first);
    server.kill('SIGUSR2', master);
    const { message } = await server.hears('error');
    assert.match(
      message,
      /^ENOTSUP: process 1 has started this process, so the supervisor would take/,
    );
    await server.ask();
    server.kill('SIGTERM', master);
    assert.deepEqual(await server.ended, [0, null], server.stderr);
  },
);

test('a pod that may do little: another user, no capabilities, a root that is read-only', {
  ...needsOpenFolders(),
}, async (t) => {
  const readOnly = mounted('mount -t tmpfs -o mode=1777 tmpfs /run', 'mount -o remount,bind,ro /');
  const under = [...readOnly, ...contained('--seccomp docker', '--caps none', '--user 61234')];
  const options: DaemonOptions = { pidfile: '/run/d.pid', log: '/run/d.log', detach: true };
  const nest = new Nest(t);
  const { code, stderr, port } = await nest.launch('serve', options, { under });
  assert.deepEqual([code, stderr], [0, '']);
  const { pid } = await ask(port);
  const { Seccomp, NoNewPrivs, CapBnd } = status(pid);
  assert.deepEqual([Seccomp, NoNewPrivs, CapBnd], ['2', '1', '0000000000000000']);
  await nest.end(pid);
  const refused = await nest.fails('serve', { ...options, pidfile: '/etc/d.pid' }, { under });
  assert.match(refused.stderr, /EROFS: .*\/etc\/d\.pid/);

  const server = new Preforked(t, { options: { workers: 2 } }, under);
  await server.hears('ready');
  server.kill('SIGHUP');
  await server.hears('exit', 2);
  await server.stops();
});

/** A control group that limits tasks: of version 2, or of version 1. */
function pidsGroup(t: TestContext): string | undefined {
  for (const top of ['/sys/fs/cgroup', '/sys/fs/cgroup/pids']) {
    const folder = join(top, `daemonkit-test-${process.pid}`);
    try {
      mkdirSync(folder);
    } catch {
      continue;
    }
    t.after(() => until('the group is empty', () => !remaining(folder)));
    if (existsSync(join(folder, 'pids.max'))) return folder;
  }
  return undefined;
}

function remaining(folder: string): boolean {
  try {
    rmdirSync(folder);
    return false;
  } catch {
    return true;
  }
}

test('pids.max: fork() and prefork() say EAGAIN, and nothing half-done stays', {
  ...needs('root'),
}, async (t) => {
  const group = pidsGroup(t);
  if (group === undefined) return t.skip('needs a control group with pids.max that can be written');
  const limit = (count: number | string) => writeFileSync(join(group, 'pids.max'), `${count}`);
  const under = ['sh', '-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', group];
  const tasks = () => Number(spawnSync('cat', [join(group, 'pids.current')]).stdout);

  limit('max');
  // With room for one, two, ... threads of the child.
  const said = linesOf<[number, string, string, number, boolean]>(
    `${SAYS}
    const { readFileSync, readdirSync, writeFileSync } = fs;
    const group = process.argv[1];
    await fs.promises.readFile('/proc/self/stat');
    const now = () => Number(readFileSync(group + '/pids.current'));
    const open = () => readdirSync('/proc/self/fd').length;
    const before = open();
    for (const room of [0, 1, 2, 5, 8, 1000]) {
      const had = now();
      writeFileSync(group + '/pids.max', String(had + room));
      let words;
      try {
        const pid = daemonkit.fork();
        if (pid === 0) daemonkit._exit(0);
        words = ['', daemonkit.waitpid(pid).exitCode];
      } catch ({ code, syscall }) {
        words = [code, syscall, code2(() => daemonkit.waitpid(-1))];
      }
      writeFileSync(group + '/pids.max', 'max');
      for (const end = Date.now() + 20_000; now() !== had && Date.now() < end; );
      say([room, ...words, now() - had, open() === before]);
      await fs.promises.readFile('/proc/self/stat');
    }
    function code2(call) { try { return call(); } catch ({ code }) { return code; } }`,
    { via: under, args: [group] },
  );
  for (const [room, ...outcome] of said) {
    const fits = room === 1000;
    assert.deepEqual(
      outcome,
      fits ? ['', 0, 0, true] : ['EAGAIN', 'clone', 'ECHILD', 0, true],
      `${room}`,
    );
  }

  const server = new Preforked(
    t,
    { options: { workers: 1, respawn: { delay: 50, maxDelay: 50 } } },
    under,
  );
  await server.hears('ready');
  const [worker = 0] = server.workers();
  const open = Object.keys(descriptors(server.pid)).length;
  limit(tasks() - 1);
  process.kill(worker, 'SIGKILL');
  await server.hears('error', 3);
  assert.match(server.events('error')[0]?.message ?? '', /^EAGAIN: /);
  assert.deepEqual(server.workers(), []);
  limit('max');
  await until('a worker is there', () => server.workers().length === 1);
  await server.ask();
  assert.equal(Object.keys(descriptors(server.pid)).length, open);
  await server.stops();
});

test('process 1 of another user reaps orphans of whom /proc tells it nothing', {
  ...needs('root', 'unshare', 'mount', 'setpriv'),
}, () => {
  const {
    status: code,
    stdout,
    stderr,
  } = runScript(
    `import { spawn } from 'node:child_process';
    const listed = () => fs.readFileSync('/proc/self/task/' + process.pid + '/children', 'latin1').trim();
    const reaper = daemonkit.reapOrphans();
    // Root of a container, without CAP_SYS_PTRACE, and an orphan of another user.
    spawn('setpriv', ['--reuid=61234', '--regid=61234', '--clear-groups', 'sh', '-c', '(exec sleep 0.2) & exit 0'], { stdio: 'ignore' })
      .on('exit', () => fs.writeSync(1, 'left '));
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const before = listed();
    for (const end = Date.now() + 30_000; listed() !== '' && Date.now() < end; )
      await new Promise((resolve) => setTimeout(resolve, 50));
    fs.writeSync(1, (before === '') + ' ' + listed());
    process.exit(0);`,
    {
      via: [
        ...AS_PROCESS_1,
        ...mounted('mount -t proc -o hidepid=2 proc /proc'),
        ...contained('--caps docker'),
      ],
      timeout: 60_000,
    },
  );
  assert.deepEqual([code, stderr, stdout], [0, '', 'left false ']);
});

test('examples/containers: a pod, from its start to its end', needsOpenFolders(), async (t) => {
  const port = await freePort();
  const program = fixture('../../examples/containers/server.js');
  const pod = [
    ...AS_PROCESS_1,
    ...mounted('mount -o remount,bind,ro /'),
    ...contained('--seccomp docker', '--caps none', '--user 61234'),
  ];
  const [unshare = '', ...rest] = [...pod, process.execPath, program];
  const env = cleanEnvironment({ PORT: `${port}`, WORKERS: '2' });
  const child = spawn(unshare, rest, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  const ended = once(child, 'close');
  const output = collect(child);
  await until('it is ready', () => output.stdout.includes('ready\n'));
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const ask = async (path: string, by: Agent | false = false) => {
    const [response] = await once(get({ port, host: '127.0.0.1', path, agent: by }), 'response');
    let text = '';
    for await (const chunk of response.setEncoding('utf8')) text += chunk;
    return [text, response.headers.connection];
  };
  assert.deepEqual(await ask('/healthz', agent), ['ok\n', 'keep-alive']);
  process.kill(childrenOf(child.pid ?? 0)[0] ?? 0, 'SIGTERM');
  await untilAsync('connections are refused', () =>
    ask('/').then(
      () => false,
      ({ code }) => code === 'ECONNREFUSED',
    ),
  );
  // The proxy's next request on the connection that it has kept.
  assert.deepEqual(await ask('/healthz', agent), ['ok\n', 'close']);
  assert.deepEqual(await ended, [0, null]);
  assert.deepEqual(output, { stdout: 'ready\nno worker is left\n', stderr: '' });
});

async function untilAsync(what: string, probe: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 60_000; performance.now() < end; await sleep(20)) {
    if (await probe()) return;
  }
  assert.fail(`never came true: ${what}`);
}

test('a worker makes itself the first to go, as the guide says', () => {
  const guide = readFileSync(join(root, 'docs/guide-containers.md'), 'utf8');
  const [, block = ''] = /^```ts\n(prefork\(.*?)^```$/ms.exec(guide) ?? [];
  const said = linesOf<unknown>(
    `import { createServer } from 'node:http';
    const { writeFileSync } = fs;
    const server = createServer();
    const { prefork } = { prefork: (options) => {
      const { onWorkerStart, ...rest } = options;
      const master = daemonkit.prefork({ ...rest, workers: 1, listen: { port: 0 }, onWorkerStart });
      master.ready.then(() => {
        const score = (pid) => Number(fs.readFileSync('/proc/' + pid + '/oom_score_adj', 'utf8'));
        fs.writeSync(1, JSON.stringify([score(process.pid), score(master.pids[0])]) + '\\n');
        return master.stop();
      });
    } };
    ${block}`,
  );
  const [[master, worker]] = said as [[number, number]];
  assert.ok(master < 500);
  assert.equal(worker, 500);
});

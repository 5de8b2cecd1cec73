// Log files: whose they are, and what root does not write to.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  lchownSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ask, bothWays, Nest, until } from './tools/daemons.js';
import { needs, needsRoot } from './tools/needs.js';
import { freePort } from './tools/port.js';
import { status } from './tools/proc.js';
import { fixture } from './tools/run.js';
import { scratch } from './tools/scratch.js';
import { linesOf } from './tools/script.js';

const NOBODY = 65534;

/** Has the account own the directory that the log is in. */
const give = (path: string) => chownSync(join(path, '..'), NOBODY, NOBODY);

/** Ways to put something there that root must not write to; each gives the refusal. */
const traps: Record<string, (path: string) => [code: string, words: RegExp]> = {
  'a symbolic link': (path) => {
    give(path);
    symlinkSync(`${path}.precious`, path);
    return ['ELOOP', /ELOOP: refused: it is a symbolic link, open '/];
  },
  'a symbolic link to nothing': (path) => {
    symlinkSync(`${path}.none`, path);
    return ['ELOOP', /it is a symbolic link/];
  },
  'a second name of another file': (path) => {
    give(path);
    linkSync(`${path}.precious`, path);
    return ['EPERM', /hard link/];
  },
  "another user's file in a directory of that user's": (path) => {
    give(path);
    writeFileSync(path, '');
    chownSync(path, 1, 1);
    return ['EPERM', /the file belongs to user 1, open '/];
  },
  'a directory that everybody may write to': (path) => {
    chmodSync(join(path, '..'), 0o777);
    return ['EPERM', /refused to root: everybody may write to the directory \/.*\/real\/logs/];
  },
  'such a directory further up': (path) => {
    chmodSync(join(path, '../..'), 0o777);
    return ['EPERM', /everybody may write to the directory/];
  },
  "a user's symbolic link on the way": (path) => {
    lchownSync(join(path, '..'), NOBODY, NOBODY);
    return ['EPERM', /the symbolic link .*\/logs belongs to user 65534/];
  },
  "root's symbolic link in a directory of a user's": (path) => {
    chownSync(join(path, '../..'), NOBODY, NOBODY);
    return ['EPERM', /the symbolic link .*\/logs can be exchanged by others/];
  },
  'a FIFO that nobody reads': (path) => {
    execFileSync('mkfifo', [path]);
    return ['ENXIO', /ENXIO: nobody reads this FIFO/];
  },
  'a directory': (path) => {
    mkdirSync(path);
    return ['EISDIR', /EISDIR/];
  },
  'a socket': (path) => {
    const bind = 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])';
    execFileSync('python3', ['-c', bind, path]);
    return ['ENXIO', /a log is no socket/];
  },
};

test('root writes to no log that others could have put there', needsRoot, (t) => {
  const top = scratch(t);
  const laid = Object.entries(traps).map(([name, lay], number) => {
    const place = join(top, `${number}`);
    mkdirSync(join(place, 'real/logs'), { recursive: true });
    symlinkSync('real/logs', join(place, 'logs'));
    const path = join(place, 'logs/d.log');
    writeFileSync(`${path}.precious`, 'precious');
    const [code, words] = lay(path);
    return { name, path, code, words, there: existsSync(path) };
  });
  const told = linesOf<{
    path: string;
    errors: { code: string; message: string; step?: string }[];
  }>(
    `const { becomeDaemon, planDaemon, redirect } = daemonkit;
    const paths = ${JSON.stringify(laid.map(({ path }) => path))};
    const thrown = (call) => {
      try { return call() } catch ({ code, message, step }) { return { code, message, step } }
    };
    const plan = (log) => {
      const error = planDaemon({ log }).find(({ step }) => step === 'stdio').precondition ?? {};
      return { code: error.code, message: error.message, step: error.step };
    };
    for (const path of paths) {
      const errors = [plan(path), thrown(() => becomeDaemon({ detach: false, log: path })),
        thrown(() => becomeDaemon({ detach: true, stderr: path })), thrown(() => redirect(1, path))];
      fs.writeSync(1, JSON.stringify({ path, errors }) + '\\n');
    }`,
  );
  assert.equal(told.length, laid.length);
  for (const [at, { name, path, code, words, there }] of laid.entries()) {
    const errors = told[at]?.errors ?? [];
    const refused = [code, 'stdio', true];
    // A plan opens no FIFO: a reader who waits for one to write would see the end at once.
    const planned = name.includes('FIFO') ? [undefined, undefined, false] : refused;
    assert.deepEqual(
      errors.map((error) => [error.code, error.step, words.test(error.message)]),
      [planned, refused, refused, [code, undefined, true]],
      `${name}: ${errors[1]?.message}`,
    );
    assert.equal(existsSync(path), there, `${name}: nothing is made`);
    assert.equal(readFileSync(`${path}.precious`, 'utf8'), 'precious', name);
  }
});

test('nor does it at a reopening: the old log goes on, and says why', needsRoot, async (t) => {
  const directory = scratch(t);
  const log = join(directory, 'logs', 'd.log');
  mkdirSync(join(directory, 'logs'));
  chownSync(join(directory, 'logs'), NOBODY, NOBODY);
  writeFileSync(join(directory, 'precious'), 'precious');
  const said = linesOf<unknown>(
    `import { once } from 'node:events';
    const log = ${JSON.stringify(log)};
    const swap = () => { fs.renameSync(log, log + '.1'); fs.symlinkSync('../precious', log); };
    const back = () => { fs.rmSync(log); fs.renameSync(log + '.1', log); };
    const say = (value) => fs.writeSync(3, JSON.stringify(value) + '\\n');
    const thrown = (call) => { try { call() } catch ({ code, step }) { return [code, step] } };
    const daemon = daemonkit.becomeDaemon({ detach: false, log, reopenOn: 'SIGHUP', env: 'keep' });
    swap();
    say(thrown(() => daemon.reopenLogs()));
    const alive = setInterval(() => {}, 1000);
    process.on('SIGHUP', () => {});
    process.kill(process.pid, 'SIGHUP');
    await once(process, 'SIGHUP');
    console.log('goes on');
    back();
    const redirection = daemonkit.redirect([1, 2], log);
    swap();
    say(thrown(() => redirection.reopen()));
    console.log('goes on too');
    process.exit(0);`,
    { via: ['sh', '-c', '"$@" 3>&1', 'sh'] },
  );
  assert.deepEqual(said, [
    ['ELOOP', 'stdio'],
    ['ELOOP', null],
  ]);
  assert.equal(readFileSync(join(directory, 'precious'), 'utf8'), 'precious');
  const why = `ELOOP: refused: it is a symbolic link, open '${log}'`;
  const words = `daemonkit: the log is not opened anew, and the old file goes on: ${why}`;
  assert.equal(readFileSync(`${log}.1`, 'utf8'), `${words}\ngoes on\ngoes on too\n`);
});

test(
  '/dev/stdout and /dev/stderr are what they lead to, through a rotation too',
  needsRoot,
  (t) => {
    const directory = scratch(t);
    const [output] = linesOf<number>(
      `const daemon = daemonkit.becomeDaemon({ detach: false, stdout: '/dev/stdout', env: 'keep' });
    daemon.reopenLogs();
    console.log(7);`,
      { cwd: directory },
    );
    assert.equal(output, 7);
  },
);

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

bothWays(
  'with user, a new log belongs to that user, whatever the umask; HUP opens what logrotate makes',
  async (nest) => {
    const logs = join(nest.directory, 'logs');
    mkdirSync(logs);
    chmodSync(nest.directory, 0o755);
    const log = join(logs, 'd.log');
    const under = ['sh', '-c', 'umask 077; exec "$@"', 'sh'];
    const options = { user: 'nobody', log, reopenOn: 'SIGHUP' as const };
    const { pid, port } = await nest.start('serve', options, { under });
    assert.deepEqual([mode(nest.pidfile), mode(log)], ['644', '640']);
    assert.deepEqual([statSync(log).uid, statSync(log).gid], [NOBODY, NOBODY]);

    const rotate = async (make: () => void) => {
      rmSync(`${log}.1`, { force: true });
      renameSync(log, `${log}.1`);
      make();
      process.kill(pid, 'SIGHUP');
      await ask(port, '/log');
      // The signal may come after the request.
      await ask(port, '/log');
    };
    // logrotate's "create 0640 nobody": the directory stays root's.
    await rotate(() => {
      writeFileSync(log, '', { mode: 0o640 });
      chownSync(log, NOBODY, NOBODY);
    });
    await until('the new file is written', () => readFileSync(log, 'utf8').includes('to stdout'));
    // "create 0640 root", and none at all.
    for (const [make, why] of [
      [
        () => writeFileSync(log, '', { mode: 0o640 }),
        'EACCES: user 65534 may not write to this file of user 0',
      ],
      [() => {}, 'EACCES: permission denied'],
    ] as const) {
      await rotate(make);
      const words = `daemonkit: the log is not opened anew, and the old file goes on: ${why}, open '${log}'\n`;
      const told = () => readFileSync(`${log}.1`, 'utf8').split(words);
      await until('it says why', () => told().length === 2);
      await ask(port, '/log');
      assert.match(told()[1] ?? '', /to stdout/, 'the old one goes on');
      rmSync(log, { force: true });
      renameSync(`${log}.1`, log);
    }
    // A directory of its own needs neither.
    chownSync(logs, NOBODY, NOBODY);
    await rotate(() => {});
    await until('it makes one', () => existsSync(log) && readFileSync(log, 'utf8') !== '');
    assert.deepEqual([mode(log), statSync(log).uid], ['640', NOBODY]);
    await nest.end(pid);
  },
  needsRoot,
);

test(
  'the plan, and the start, look at the reopening as the user, and inside of the chroot',
  needsRoot,
  (t) => {
    const directory = scratch(t);
    chmodSync(directory, 0o755);
    const place = (name: string, owner: number, permissions: number) => {
      mkdirSync(join(directory, name), { mode: permissions });
      chownSync(join(directory, name), owner, owner);
      return join(directory, name, 'd.log');
    };
    const made = place('roots', 0, 0o755);
    const own = place('own', NOBODY, 0o700);
    const closed = place('closed', 0, 0o700);
    const old = join(directory, 'roots', 'old.log');
    writeFileSync(old, '', { mode: 0o640 });
    const acl = place('group', 0, 0o750);
    chownSync(join(directory, 'group'), 0, NOBODY);
    writeFileSync(acl, '', { mode: 0o660 });
    chownSync(acl, 0, NOBODY);
    chmodSync(acl, 0o660);
    const inside = { chroot: directory };
    const cases: [options: object, found: string][] = [
      [{ log: made }, 'met'],
      [{ log: own }, 'met'],
      [{ log: acl }, 'met'],
      [{ log: closed }, 'EACCES: user 65534 could not open it anew at SIGHUP'],
      [{ log: closed, reopenOn: undefined }, 'met'],
      [{ log: old }, 'EACCES: user 65534 could not open it anew at SIGHUP'],
      [{ log: own, ...inside }, 'met'],
      [{ log: closed, ...inside }, 'EACCES: user 65534 could not open it anew at SIGHUP'],
      [{ log: '/dev/null', ...inside }, 'ENOENT: the file is outside of the chroot'],
      [{ log: '/dev/stderr', ...inside }, 'met'],
    ];
    const told = linesOf<[plan: string, words: string, start: string]>(
      `const { becomeDaemon, planDaemon } = daemonkit;
    const say = (error) => error === 'met' ? error : error.step + ' ' + error.message;
    for (const options of ${JSON.stringify(cases.map(([options]) => ({ reopenOn: 'SIGHUP', ...options })))}) {
      const all = { user: 'nobody', detach: true, ...options };
      const { precondition, description } = planDaemon(all)
        .find(({ step }) => step === 'stdio');
      let start;
      // Stopped behind the checks, before there is a daemon.
      const hook = daemonkit.atFork({ before() { throw Object.assign(new Error(''), { step: 'met' }) } });
      try { becomeDaemon(all) } catch (error) { start = error.step === 'met' ? 'met' : say(error) }
      hook[Symbol.dispose]();
      console.log(JSON.stringify([say(precondition), description, start]));
    }`,
    );
    for (const [at, [options, expected]] of cases.entries()) {
      const [plan = '', words = '', start = ''] = told[at] ?? [];
      const what = JSON.stringify(options);
      if (expected === 'met') assert.deepEqual([plan, start], ['met', 'met'], what);
      else {
        assert.ok(plan.startsWith(`stdio ${expected}, open '`), `${what}: ${plan}`);
        assert.equal(start, plan.replace(' ', ' becomeDaemon: step stdio: '));
      }
      assert.equal(
        /\(opened anew by user 65534 at SIGHUP\)$/.test(words),
        !('reopenOn' in options),
      );
    }
  },
);

/** test/fixtures/full.ts, a daemon that writes lines of a hundred bytes, and the way to its log. */
class Writer {
  readonly pid: number;
  readonly #said: string;

  constructor(
    readonly nest: Nest,
    log: string,
    via: string[] = [],
  ) {
    const pids = join(nest.directory, 'pids');
    mkdirSync(pids);
    const [command = '', ...args] = [...via, process.execPath, fixture('full.js'), pids, log];
    const { status, stderr } = spawnSync(command, args, { encoding: 'utf8', env: nest.env() });
    assert.deepEqual([status, stderr], [0, EARLY]);
    this.#said = `${pids}.said`;
    this.pid = Number(readFileSync(join(pids, 'd.pid'), 'utf8'));
  }

  /** How many lines it has tried to write. */
  get tried(): number {
    return Number(readFileSync(this.#said, 'utf8'));
  }

  /** Waits until it has tried to write more. */
  async goesOn(more = 40): Promise<void> {
    const before = this.tried;
    await until('it goes on', () => this.tried >= before + more);
  }

  /** Ends it; what is in the log and what that says is lost must be all that it has written. */
  async settle(text: () => string, why: string): Promise<void> {
    const reports = () => [...text().matchAll(LOST)];
    // Both streams write within four lines, and tell before.
    const room = () => text().split(LOST).at(-1)?.length ?? 0;
    await until('both streams tell', () => reports().length >= 2 && room() > 1000);
    writeFileSync(this.#said.replace(/said$/, 'stop'), '');
    await until('it has ended', () => this.nest.processes().length === 0);
    assert.deepEqual([...new Set(reports().map(([, , code]) => code))], [why]);
    const lost = reports().reduce((sum, [, bytes]) => sum + Number(bytes), 0);
    const left = text().replace(LOST, '').length;
    const surplus = left + lost - EARLY.length - 100 * this.tried;
    // Half a line is ended before a report.
    assert.ok(surplus >= 0 && surplus <= reports().length, `${left} and ${lost} of ${this.tried}`);
    assert.ok(lost > 0);
  }
}

const EARLY = 'early words\n';
const LOST = /daemonkit: (\d+) bytes of log were lost: (\w+)\n/g;

test(
  'on a full disk the server goes on, and the log tells later what is lost',
  needs('root', 'unshare', 'mount'),
  async (t) => {
    const nest = new Nest(t);
    const disk = join(nest.directory, 'disk');
    mkdirSync(disk);
    const script =
      'mount -t tmpfs -o size=1028k none "$0" && head -c 1024k /dev/zero > "$0/taken" && exec "$@"';
    const writer = new Writer(nest, join(disk, 'd.log'), [
      'unshare',
      '-m',
      'sh',
      '-c',
      script,
      disk,
    ]);
    const there = (name: string) => `/proc/${writer.pid}/root${disk}/${name}`;
    await until('it is full', () => statSync(there('d.log')).size === 4096);
    await writer.goesOn();
    const copy = openSync(there('d.log'), 'r');
    t.after(() => closeSync(copy));
    rmSync(there('taken'));
    const text = () => {
      const bytes = Buffer.alloc(2 ** 21);
      return bytes.toString('latin1', 0, readSync(copy, bytes, 0, bytes.length, 0));
    };
    await writer.settle(text, 'ENOSPC');
  },
);

test('so it does at the limit of a file', needs('root', 'prlimit'), async (t) => {
  const nest = new Nest(t);
  const writer = new Writer(nest, nest.log);
  const limit = (bytes: number | string) =>
    execFileSync('prlimit', [`--fsize=${bytes}:unlimited`, '--pid', `${writer.pid}`]);
  const size = statSync(nest.log).size + 950;
  limit(size);
  await until('it is reached', () => statSync(nest.log).size >= size);
  await writer.goesOn();
  limit('unlimited');
  await writer.settle(() => nest.logged(), 'EFBIG');
});

test('a plan opens no FIFO: its reader sees no end', async (t) => {
  const fifo = join(scratch(t), 'fifo');
  execFileSync('mkfifo', [fifo]);
  const reader = spawn('cat', [fifo], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => reader.kill('SIGKILL'));
  const { pid = 0 } = reader;
  const sleeps = ({ Name, State }: Record<string, string>) => Name === 'cat' && State?.[0] === 'S';
  await until('it waits for a writer', () => sleeps(status(pid)));
  const plan = `fs.writeSync(1, JSON.stringify(daemonkit.planDaemon({ log: '${fifo}' })
    .find(({ step }) => step === 'stdio').precondition) + '\\n');`;
  assert.deepEqual(linesOf(plan), ['met']);
  // It fails with ENXIO if nobody reads.
  const writer = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
  writeSync(writer, 'written');
  closeSync(writer);
  assert.equal(await text(reader.stdout), 'written');
});

test('a FIFO is a log while somebody reads it; without a reader the server goes on', async (t) => {
  const nest = new Nest(t);
  execFileSync('mkfifo', [nest.log]);
  const open = () => openSync(nest.log, constants.O_RDONLY | constants.O_NONBLOCK);
  let reader = open();
  t.after(() => closeSync(reader));
  let logged = '';
  const bytes = Buffer.alloc(2 ** 16);
  const read = () => {
    try {
      for (;;) {
        const size = readSync(reader, bytes);
        if (size === 0) return logged;
        logged += bytes.toString('latin1', 0, size);
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      return logged;
    }
  };
  const writer = new Writer(nest, nest.log);
  await until('it is read', () => read().length > 1000);
  await until('it is full', () => writer.tried * 100 > logged.length + 2 ** 16 + 4000);
  await writer.goesOn();
  closeSync(reader);
  await writer.goesOn();
  reader = open();
  await writer.settle(read, 'EAGAIN');
});

test(
  "the production guide's own set-up: a link that the account puts in the log's place",
  needs('root', 'setpriv'),
  async (t) => {
    const nest = new Nest(t);
    const root = join(nest.directory, 'root');
    mkdirSync(join(root, 'log'), { recursive: true });
    for (const directory of [nest.directory, root]) chmodSync(directory, 0o755);
    chownSync(join(root, 'log'), NOBODY, NOBODY);
    writeFileSync(join(root, 'greeting'), 'good day\n');
    const precious = join(nest.directory, 'precious');
    writeFileSync(precious, '');
    const program = fileURLToPath(
      new URL('../examples/recipe-17.17/production.js', import.meta.url),
    );
    const port = await freePort();
    const env = { ROOT: root, PIDFILE: nest.pidfile, PORT: String(port), ACCOUNT: 'nobody' };
    const log = join(root, 'log', 'hello.log');
    const start = () => nest.run([process.execPath, program], { env });
    const asAccount = (script: string) =>
      execFileSync('setpriv', [
        '--reuid=65534',
        '--regid=65534',
        '--clear-groups',
        'sh',
        '-c',
        script,
      ]);

    asAccount(`ln -s ${precious} ${log}`);
    const refused = await start();
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /step stdio: ELOOP: refused: it is a symbolic link/);
    asAccount(`rm ${log}`);

    const { code, stderr } = await start();
    assert.deepEqual([code, stderr], [0, '']);
    asAccount(`mv ${log} ${log}.1; ln -s ${precious} ${log}`);
    process.kill(nest.pid(), 'SIGHUP');
    await until('it says why', () => /ELOOP/.test(readFileSync(`${log}.1`, 'utf8')));
    await fetch(`http://127.0.0.1:${port}/later`, { headers: { connection: 'close' } });
    assert.match(readFileSync(`${log}.1`, 'utf8'), /\n\/later\n/, 'the old log goes on');
    assert.equal(readFileSync(precious, 'utf8'), '');
    await nest.end(nest.pid());
  },
);

test('what a log has lost is not told by a fork, and keeps no process alive', (t) => {
  const file = join(scratch(t), 'log');
  const lines = linesOf<string>(`const { dup2, fork, redirect, waitpid } = daemonkit;
    const out = daemonkit.dup(1);
    const say = (value) => fs.writeSync(out, JSON.stringify(value) + '\\n');
    redirect(1, '/dev/full');
    console.log('lost');
    const pid = fork();
    if (pid === 0) {
      dup2(fs.openSync(${JSON.stringify(file)}, 'a'), 1);
      console.log('of the fork');
    } else {
      say([waitpid(pid).exitCode, fs.readFileSync(${JSON.stringify(file)}, 'utf8')]);
      dup2(fs.openSync(${JSON.stringify(file)}, 'a'), 1);
      console.log('of the parent');
      dup2(fs.openSync('/dev/full', 'a'), 1);
      console.log('lost for good'); // and the process ends by itself
    }`);
  assert.deepEqual(lines, [[0, 'of the fork\n']]);
  const own = 'daemonkit: 5 bytes of log were lost: ENOSPC\nof the parent\n';
  assert.equal(readFileSync(file, 'utf8'), `of the fork\n${own}`);
});

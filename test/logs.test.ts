// What root writes no log to, at the start and at a reopening.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  linkSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Nest, until } from './tools/daemons.js';
import { needs, needsRoot } from './tools/needs.js';
import { freePort } from './tools/port.js';
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
    return ['EPERM', /the symbolic link .*\/logs can be replaced by others/];
  },
  'a FIFO that nobody reads': (path) => {
    execFileSync('mkfifo', [path]);
    return ['ENXIO', /ENXIO: no process reads this FIFO/];
  },
  'a directory': (path) => {
    mkdirSync(path);
    return ['EISDIR', /EISDIR/];
  },
  'a socket': (path) => {
    const bind = 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])';
    execFileSync('python3', ['-c', bind, path]);
    return ['ENXIO', /a log cannot be a socket/];
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
    // A plan opens no FIFO: a waiting reader would see the end at once.
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
  const words = `daemonkit: the log could not be reopened, and the old file stays in use: ${why}`;
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

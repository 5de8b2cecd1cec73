// dryRun: the plan, its preconditions, and nothing else.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type DaemonOptions, type PlannedStep, planDaemon } from 'daemonkit';
import { needs, needsRoot } from './tools/needs.js';
import { descriptors } from './tools/proc.js';
import { scratch } from './tools/scratch.js';
import { linesOf } from './tools/script.js';

const planOf = (options: DaemonOptions) => planDaemon(options);

/** What is not as it must be: step and code. */
function unmet(plan: readonly PlannedStep[]): string[] {
  return plan.flatMap(({ step, precondition }) =>
    precondition === 'met' ? [] : `${step} ${(precondition as NodeJS.ErrnoException).code}`,
  );
}

/** The same in a process of its own, which some command makes another user or so. */
function unmetUnder(via: string[], options: DaemonOptions): string[] {
  const script = `for (const { step, precondition } of daemonkit.planDaemon({
    ...${JSON.stringify(options)} })) {
    if (precondition !== 'met') console.log(JSON.stringify(step + ' ' + precondition.code));
  }`;
  return linesOf<string>(script, { via });
}

test('all steps of daemon(7), in order', needsRoot, (t) => {
  const directory = scratch(t);
  const plan = planOf({
    pidfile: join(directory, 'd.pid'),
    log: join(directory, 'd.log'),
    chroot: directory,
    user: 'nobody',
    noNewPrivileges: true,
    privileged: () => assert.fail('the hook was called'),
  });
  assert.deepEqual(unmet(plan), []);
  const [first, second, third] = plan.map(({ step, process }) => `${step} by the ${process}`);
  assert.deepEqual(
    [first, second, third],
    ['fork by the launcher', 'setsid by the intermediate', 'fork by the intermediate'],
  );
  assert.deepEqual(
    plan.slice(3).map(({ step }) => step),
    [
      ...['umask', 'chdir', 'pidfile', 'privileged', 'descriptors', 'chroot', 'setgroups'],
      ...['setgid', 'setuid', 'drop', 'noNewPrivileges', 'stdio', 'inherited', 'signals'],
      ...['environment', 'ready'],
    ],
  );
  const numbers = new Set(plan.flatMap(({ daemon7 }) => daemon7));
  assert.deepEqual(
    [...numbers].sort((a, b) => a - b),
    Array.from({ length: 15 }, (_, i) => i + 1),
  );
  assert.ok(plan.every(({ description }) => /^[a-z].*[^.]$/.test(description)));
});

test('what has no options has no steps', () => {
  const steps = (options: DaemonOptions) => planOf(options).map(({ step }) => step);
  assert.deepEqual(steps({ detach: false, env: 'keep' }), [
    ...['umask', 'chdir', 'descriptors', 'signals', 'ready'],
  ]);
  assert.deepEqual(steps({ closeInherited: false }), [
    ...['fork', 'setsid', 'fork', 'umask', 'chdir', 'descriptors', 'stdio', 'signals'],
    ...['environment', 'ready'],
  ]);
});

test('it leaves nothing behind, and nothing changed', (t) => {
  const directory = scratch(t);
  const file = (name: string) => join(directory, name);
  writeFileSync(file('old.pid'), '4711\n');
  writeFileSync(file('old.log'), 'of yesterday\n');
  const look = () => ({
    files: readdirSync(directory),
    times: ['old.pid', 'old.log'].map((name) => statSync(file(name)).mtimeMs),
    pid: readFileSync(file('old.pid'), 'utf8'),
    open: descriptors('self'),
    mask: process.umask(),
    cwd: process.cwd(),
    listeners: process.eventNames(),
    environment: { ...process.env },
  });
  const before = look();
  assert.deepEqual(unmet(planOf({ pidfile: file('old.pid'), log: file('old.log') })), []);
  assert.deepEqual(unmet(planOf({ pidfile: file('new.pid'), log: file('new.log') })), []);
  assert.deepEqual(look(), before);
});

test('every precondition that is not met is told, as the error that it would be', (t) => {
  const directory = scratch(t);
  writeFileSync(join(directory, 'file'), '');
  const plan = planOf({
    cwd: '/nowhere/at/all',
    pidfile: join(directory, 'no', 'd.pid'),
    stdout: join(directory, 'file', 'd.log'),
    user: 'nobody-at-all',
  });
  const told = ['chdir ENOENT', 'pidfile ENOENT', 'setgroups ENOENT', 'stdio ENOTDIR'];
  assert.deepEqual(unmet(plan), told);
  const { precondition } = plan.find(({ step }) => step === 'chdir') as PlannedStep;
  assert.ok(precondition instanceof Error);
  assert.match(
    precondition.message,
    /^ENOENT: no such file or directory, stat '\/nowhere\/at\/all'$/,
  );
  assert.equal((precondition as { step?: string }).step, 'chdir');
  assert.throws(() => planOf({ umask: -1 }), { code: 'ERR_OUT_OF_RANGE' });
});

test('a daemon that runs is told, with its pid, and not disturbed', needs('flock'), async (t) => {
  const pidfile = join(scratch(t), 'd.pid');
  const script = 'exec 9>"$0"; flock -n 9; echo $$ >&9; echo locked; exec sleep 60';
  const rival = spawn('sh', ['-c', script, pidfile], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await once(rival.stdout, 'data');
    const [step] = planOf({ pidfile }).filter(({ step }) => step === 'pidfile');
    assert.ok(step);
    const { code, pid } = step.precondition as NodeJS.ErrnoException & { pid?: number };
    assert.deepEqual({ code, pid }, { code: 'EEXIST', pid: rival.pid });
    assert.equal(readFileSync(pidfile, 'utf8'), `${rival.pid}\n`);
  } finally {
    rival.kill('SIGKILL');
  }
});

test('an ordinary user lacks what root has', needs('root', 'setpriv'), (t) => {
  const directory = scratch(t);
  chmodSync(directory, 0o755);
  mkdirSync(join(directory, 'closed'), { mode: 0o700 });
  const options = {
    pidfile: join(directory, 'd.pid'),
    log: join(directory, 'closed', 'd.log'),
    chroot: '/usr',
    user: 'daemon',
  };
  const user = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
  const ids = ['setgroups EPERM', 'setgid EPERM', 'setuid EPERM'];
  assert.deepEqual(unmetUnder(user, options), [
    ...['pidfile EACCES', 'chroot EPERM', ...ids, 'stdio EACCES'],
  ]);
  assert.deepEqual(unmetUnder(user, { user: 65534, group: 65534 }), [], 'it is that user');
});

test('in a user namespace there are only the users that it maps', needs('root', 'unshare'), () => {
  const ids = ['setgroups EPERM', 'setgid EINVAL', 'setuid EINVAL'];
  assert.deepEqual(unmetUnder(['unshare', '-Ur'], { chroot: '/usr', user: 'nobody' }), ids);
  assert.deepEqual(unmetUnder(['unshare', '-Ur'], { chroot: '/usr' }), []);
});

test('a directory that is open and leads out of the chroot', needsRoot, (t) => {
  const directory = scratch(t);
  mkdirSync(join(directory, 'inside'));
  const told = linesOf<string[]>(`
    const jail = ${JSON.stringify(directory)};
    const told = (options) => daemonkit.planDaemon({ chroot: jail, ...options })
      .flatMap(({ step, precondition: { message } }) => message ? [step + ' ' + message] : []);
    const say = (words) => console.log(JSON.stringify(words));
    fs.openSync(jail + '/inside');
    say(told({}));
    const fd = fs.openSync('/usr');
    say(told({}).map((words) => words.replace('descriptor ' + fd, 'descriptor N').replace('[' + fd + ']', '[N]')));
    say(told({ keep: [fd] }));
    say(told({ strategy: 'reexec' }));`);
  const words = `EPERM: descriptor N leads out of it, to /usr (close it, or keep: [N]), chroot`;
  assert.deepEqual(told, [[], [`chroot ${words} '${directory}'`], [], []]);
});

test('the words tell the way: a fork, or the program again', () => {
  const forks = (strategy: 'auto' | 'fork' | 'reexec') =>
    planOf({ strategy }).flatMap(({ step, description }) => (step === 'fork' ? description : []));
  const wait = 'and wait at most 30000 ms until the daemon is ready';
  const copy = 'fork and exit, so that the daemon does not lead its session';
  const byFork = [`fork, ${wait} (strategy fork)`, copy];
  assert.deepEqual(forks('fork'), byFork);
  assert.deepEqual(forks('auto'), byFork, 'as it is here');
  assert.deepEqual(forks('reexec'), [
    `start the program again, ${wait} (strategy reexec)`,
    `${copy}, which runs the program from its beginning`,
  ]);
});

test('pidFile, as the option was called before, is taken for pidfile, and not beside it', (t) => {
  const file = join(scratch(t), 'd.pid');
  const former = (options: object) => planDaemon(options as DaemonOptions);
  const words = (plan: readonly PlannedStep[]) => plan.map(({ description }) => description);
  assert.deepEqual(words(former({ pidFile: file })), words(planOf({ pidfile: file })));
  assert.throws(() => former({ pidFile: file, pidfile: file }), {
    code: 'ERR_INVALID_ARG_VALUE',
    message: /options\.pidFile/,
  });
});

// With `user`: the owner of a new log, and reopening it when the process is no longer root.
import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ask, bothWays, until } from './tools/daemons.js';
import { needsRoot } from './tools/needs.js';
import { scratch } from './tools/scratch.js';
import { linesOf } from './tools/script.js';

const NOBODY = 65534;

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
      const words = `daemonkit: the log could not be reopened, and the old file stays in use: ${why}, open '${log}'\n`;
      const told = () => readFileSync(`${log}.1`, 'utf8').split(words);
      await until('it says why', () => told().length === 2);
      await ask(port, '/log');
      assert.match(told()[1] ?? '', /to stdout/, 'the old one goes on');
      rmSync(log, { force: true });
      renameSync(`${log}.1`, log);
    }
    // A separate directory needs neither.
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
      [{ log: closed }, 'EACCES: user 65534 could not reopen it at SIGHUP'],
      [{ log: closed, reopenOn: undefined }, 'met'],
      [{ log: old }, 'EACCES: user 65534 could not reopen it at SIGHUP'],
      [{ log: own, ...inside }, 'met'],
      [{ log: closed, ...inside }, 'EACCES: user 65534 could not reopen it at SIGHUP'],
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
      assert.equal(/\(reopened by user 65534 at SIGHUP\)$/.test(words), !('reopenOn' in options));
    }
  },
);

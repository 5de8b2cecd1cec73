// The detection of supervisors, from the traces that service managers leave in a process.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { openSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { container, needsContainer } from './tools/container.js';
import { needs } from './tools/needs.js';
import { scratch } from './tools/scratch.js';
import { scriptCommand } from './tools/script.js';

const ASK = scriptCommand('console.log(JSON.stringify(daemonkit.supervisor()))');

interface Asking {
  env?: NodeJS.ProcessEnv;
  /** A command that starts it. */
  via?: string[];
  /** A file for its standard error. */
  stderr?: string;
}

const VARIABLES =
  /^(NOTIFY_SOCKET|LISTEN_\w+|SYSTEMD_EXEC_PID|INVOCATION_ID|JOURNAL_STREAM|PIDFILE)$/;

/** The function's result in a separate process. */
function told({ env = {}, via = [], stderr }: Asking = {}): string {
  const clean = Object.entries(process.env).filter(([name]) => !VARIABLES.test(name));
  const [file = '', ...args] = [...via, ...ASK];
  const error = stderr === undefined ? 'pipe' : openSync(stderr, 'a');
  const { stdout, status } = spawnSync(file, args, {
    env: { ...Object.fromEntries(clean), ...env },
    stdio: ['ignore', 'pipe', error],
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.equal(status, 0);
  const answer = JSON.parse(stdout);
  return answer === null ? 'nobody' : `${answer.name}: ${answer.reason}`;
}

/** `PID` in a value becomes the pid of the process that is asked, which a shell's exec keeps. */
function withPid(assignments: string): string[] {
  return ['sh', '-c', `${assignments.replace('PID=PID', () => 'PID=$$')} exec "$@"`, 'sh'];
}

test('nobody watches what a shell or a test has started', () => {
  assert.equal(told(), 'nobody');
});

test('systemd, by what it sets and what cannot be inherited by chance', (t) => {
  const journal = join(scratch(t), 'journal');
  writeFileSync(journal, '');
  const { dev, ino } = statSync(journal);
  const executed = 'systemd: SYSTEMD_EXEC_PID is this process';
  const cases: [Asking, string][] = [
    [{ env: { NOTIFY_SOCKET: '/run/x' } }, 'systemd: NOTIFY_SOCKET is set'],
    [{ env: { NOTIFY_SOCKET: '/run/x', PIDFILE: '/x' } }, 'systemd: NOTIFY_SOCKET is set'],
    [{ env: { NOTIFY_SOCKET: '' } }, 'nobody'],
    [{ via: withPid('LISTEN_PID=PID') }, 'systemd: LISTEN_PID is this process'],
    [{ env: { LISTEN_PID: '1', LISTEN_FDS: '1' } }, 'nobody'],
    [{ via: withPid('SYSTEMD_EXEC_PID=PID') }, executed],
    [{ env: { SYSTEMD_EXEC_PID: `${process.pid}`, INVOCATION_ID: '1f' } }, 'nobody'],
    [{ via: withPid('PIDFILE=/run/x.pid SYSTEMD_EXEC_PID=PID') }, 'nobody'],
    [
      { env: { JOURNAL_STREAM: `${dev}:${ino}` }, stderr: journal },
      'systemd: standard error is the stream of the journal (JOURNAL_STREAM)',
    ],
    [{ env: { JOURNAL_STREAM: `${dev}:${ino}` } }, 'nobody'],
    [{ env: { JOURNAL_STREAM: 'none' } }, 'nobody'],
  ];
  for (const [asking, expected] of cases) {
    assert.equal(told(asking), expected, JSON.stringify(asking));
  }
});

test('those that set nothing, by the name of the parent process', (t) => {
  const directory = scratch(t);
  const expected = {
    's6-supervise': 's6',
    runsv: 'runit',
    supervise: 'daemontools',
    'supervise-daemon': 'openrc',
    supervisord: 'other',
    'supervised-by-nobody': null,
  };
  for (const [name, answer] of Object.entries(expected)) {
    const script = join(directory, name);
    writeFileSync(script, '#!/bin/sh\n"$@"\nexit $?\n', { mode: 0o755 });
    const said =
      answer === null ? 'nobody' : `${answer}: the parent process is ${name.slice(0, 15)}`;
    assert.equal(told({ via: [script] }), said);
  }
});

test(
  'a container: process 1, its child, but no orphan of another session',
  needs('root', 'unshare', 'ps'),
  () => {
    const inside = ['unshare', '--pid', '--fork', '--mount-proc'];
    const byFirst = 'init: process 1 has started this process';
    assert.equal(told({ via: inside }), 'init: this is process 1');
    assert.equal(told({ via: [...inside, 'sh', '-c', '"$@"; exit $?', 'sh'] }), byFirst);
    const own = [...inside, 'sh', '-c', 'setsid "$@"; exit $?', 'sh'];
    assert.equal(told({ via: own }), byFirst);
    // Its parent, the subshell, ends before it asks; cat ends when it has.
    const orphan = `setsid sh -c '("$@" &)' sh "$@" | cat`;
    const slow = ['sh', '-c', 'while [ $(ps -o ppid= -p $$) != 1 ]; do sleep 0.1; done; exec "$@"'];
    assert.equal(told({ via: [...inside, 'sh', '-c', orphan, 'sh', ...slow, 'sh'] }), 'nobody');
    const invoked = { env: { INVOCATION_ID: '1f' }, via: own };
    assert.equal(told(invoked), 'systemd: INVOCATION_ID is set, and the parent is process 1');
  },
);

test('what enters a container from outside is watched by nobody', needsContainer, async (t) => {
  const entered = await container(t);
  assert.equal(told({ via: entered }), 'nobody');
  assert.equal(told({ via: [...entered, 'sh', '-c', '"$@"; exit $?', 'sh'] }), 'nobody');
  const manager = { env: { NOTIFY_SOCKET: '/run/x' }, via: entered };
  assert.equal(told(manager), 'systemd: NOTIFY_SOCKET is set');
});

// The environment variables of a daemon, and of the programs that it starts.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { becomeDaemon, type DaemonOptions } from 'daemonkit';
import { ask, Nest } from './tools/daemons.js';
import { needsRoot } from './tools/needs.js';

const OF_SESSION = {
  TERM: 'xterm',
  TERM_PROGRAM_VERSION: '3',
  COLUMNS: '80',
  DISPLAY: ':0',
  SSH_AUTH_SOCK: '/tmp/agent',
  SSH_CONNECTION: '::1 1 ::1 22',
  SUDO_USER: 'me',
  DBUS_SESSION_BUS_ADDRESS: 'unix:path=/run/user/1000/bus',
  XDG_SESSION_ID: '3',
  PWD: '/somewhere',
  OLDPWD: '/somewhere/else',
  SHLVL: '2',
  BASH_ENV: '/tmp/rc',
};
const OF_USER = { HOME: '/root', USER: 'root', LOGNAME: 'root', SHELL: '/bin/sh', MAIL: '/mail' };
const OTHERS = {
  LANG: 'C.UTF-8',
  TZ: 'UTC',
  NODE_ENV: 'production',
  PATH: process.env.PATH ?? '',
  TERMINAL_ISLAND: 'not TERM_PROGRAM*',
  XDG_RUNTIME_DIR: '/run/user/0',
};
const GIVEN = { ...OF_SESSION, ...OF_USER, ...OTHERS };

/** Starts a daemon with these variables only; what it then has, and the programs it starts. */
async function environment(t: TestContext, options: DaemonOptions) {
  const nest = new Nest(t);
  const mark = { DAEMONKIT_TEST: nest.env().DAEMONKIT_TEST };
  const clean = Object.entries({ ...GIVEN, ...mark }).map(([name, value]) => `${name}=${value}`);
  const under = ['env', '-i', ...clean];
  const { pid, port } = await nest.start('serve', options, { under });
  const [own, started] = await ask<[Record<string, string>, string]>(port, '/env');
  await nest.end(pid);
  const { DAEMONKIT_TEST: _, ...variables } = own;
  const lines = Object.entries(own).map(([name, value]) => `${name}=${value}`);
  assert.deepEqual(started.trim().split('\n').sort(), lines.sort());
  return variables;
}

test('what belongs to terminal, login and shell is removed', async (t) => {
  assert.deepEqual(await environment(t, {}), { ...OF_USER, ...OTHERS });
});

test('another user gets the variables of the own login', needsRoot, async (t) => {
  const { XDG_RUNTIME_DIR: _, ...others } = OTHERS;
  assert.deepEqual(await environment(t, { user: 'daemon' }), {
    ...others,
    HOME: '/usr/sbin',
    USER: 'daemon',
    LOGNAME: 'daemon',
    SHELL: '/usr/sbin/nologin',
  });
  // An unknown user has none.
  assert.deepEqual(await environment(t, { user: 54321, group: 1 }), others);
});

test('env: keep, only, set', needsRoot, async (t) => {
  assert.deepEqual(await environment(t, { user: 'daemon', env: 'keep' }), GIVEN);
  const env = { keep: ['HOME', 'TERM*'], only: ['PATH', 'LC_*', 'L*'], set: { A: '1', TZ: '' } };
  const { PATH, LANG } = OTHERS;
  const { TERM, TERM_PROGRAM_VERSION } = OF_SESSION;
  assert.deepEqual(await environment(t, { user: 'root', env }), {
    ...{ HOME: '/root', TERM, TERM_PROGRAM_VERSION, TERMINAL_ISLAND: OTHERS.TERMINAL_ISLAND },
    ...{ PATH, LANG, LOGNAME: 'root', A: '1', TZ: '' },
  });
});

test('wrong values of env are refused before anything happens', () => {
  const wrong: [env: unknown, code: string][] = [
    ['clean', 'ERR_INVALID_ARG_TYPE'],
    [null, 'ERR_INVALID_ARG_TYPE'],
    [{ drop: [] }, 'ERR_INVALID_ARG_VALUE'],
    [{ keep: 'HOME' }, 'ERR_INVALID_ARG_TYPE'],
    [{ keep: [1] }, 'ERR_INVALID_ARG_TYPE'],
    [{ only: ['A=B'] }, 'ERR_INVALID_ARG_VALUE'],
    [{ set: ['A'] }, 'ERR_INVALID_ARG_TYPE'],
    [{ set: { A: 1 } }, 'ERR_INVALID_ARG_TYPE'],
    [{ set: { 'A=B': '1' } }, 'ERR_INVALID_ARG_VALUE'],
    [{ set: { '': '1' } }, 'ERR_INVALID_ARG_VALUE'],
    [{ set: { A: 'a\0b' } }, 'ERR_INVALID_ARG_VALUE'],
  ];
  for (const [env, code] of wrong) {
    assert.throws(() => becomeDaemon({ env } as DaemonOptions), { code }, JSON.stringify(env));
  }
});

// System calls of becomeDaemon() that fail, and launcher, middle process and daemon killed in the
// middle of it: no process and no pidfile is left, and the starter gets an error. `npm run faults`
// tries every call.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { test } from 'node:test';
import { cleanEnvironment } from './tools/environment.js';
import { daemonFault, type Role } from './tools/faults-daemon.js';
import { marked } from './tools/marked.js';
import { needs } from './tools/needs.js';
import { fixture } from './tools/run.js';
import { scratch } from './tools/scratch.js';

const fails: [role: Role, call: string, when: number, words: RegExp][] = [
  ['launcher', 'ftruncate', 1, /^DaemonError: .*EIO: .*ftruncate/],
  ['launcher', 'socketpair', 2, /^DaemonError: .*EMFILE: .*socketpair/],
  ['launcher', 'clone', 1, /^DaemonError: .*EAGAIN: .*clone/],
  ['middle', 'setsid', 1, /step setsid: EPERM/],
  ['middle', 'clone', 1, /step fork: EAGAIN: .*clone/],
  ['middle', 'sendto', 1, /the process between launcher and daemon exited/],
  ['daemon', 'chdir', 1, /step chdir: EPERM/],
  ['daemon', 'pwrite64', 1, /step pidfile: ENOSPC/],
  ['daemon', 'setgroups', 1, /step setgroups: EPERM/],
  ['daemon', 'sendto', 1, /exited with code 1 before it was ready/],
];

for (const [role, call, when, words] of fails) {
  test(`${call} fails in the ${role}`, needs('root', 'strace', 'flock'), async () => {
    const { result, what } = await daemonFault(role, { call, when }, false);
    assert.equal(result, 'refused', what);
    assert.match(what, words);
  });
}

const kills: [role: Role, call: string, words: RegExp][] = [
  ['launcher', 'flock', /^SIGKILL$/],
  ['launcher', 'clone', /^SIGKILL$/],
  ['launcher', 'poll', /^SIGKILL$/],
  ['middle', 'setsid', /process between launcher and daemon was killed by SIGKILL/],
  ['middle', 'sendto', /process between launcher and daemon was killed by SIGKILL/],
  ['daemon', 'pwrite64', /it was killed by SIGKILL before it was ready/],
  ['daemon', 'setuid', /it was killed by SIGKILL before it was ready/],
];

for (const [role, call, words] of kills) {
  test(`the ${role} is killed at ${call}`, needs('root', 'strace', 'flock'), async () => {
    const { result, what } = await daemonFault(role, { call, when: 1 }, true);
    assert.equal(result, 'refused', what);
    assert.match(what, words);
  });
}

/** Starts test/fixtures/full.ts on a file system without room. */
function onFullDisk(directory: string, mark: string) {
  mkdirSync(directory);
  const script = `mount -t tmpfs -o size=8k none "$1" && head -c 8192 /dev/zero > "$1/taken" &&
    { "$2" "$3" "$1"; code=$?; ls "$1"; exit $code; }`;
  const args = ['--mount', 'sh', '-c', script, 'sh', directory, process.execPath];
  return spawnSync('unshare', [...args, fixture('full.js')], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
    env: cleanEnvironment({ DAEMONKIT_TEST: mark }),
  });
}

test('a full disk: no pidfile, no daemon', needs('root', 'unshare', 'mount'), (t) => {
  const mark = randomUUID();
  const directory = scratch(t);
  const gone = () => marked(`DAEMONKIT_TEST=${mark}`).length === 0;
  const full = onFullDisk(`${directory}/full`, mark);
  assert.equal(full.status, 1);
  assert.match(full.stderr, /step pidfile: ENOSPC: no space left on device, write/);
  // The log was there before; the pidfile is not there any more.
  assert.equal(full.stdout, 'd.log\ntaken\n');
  assert.ok(gone());
});

// Nothing that fork() does, or that a child of it is there, takes anything from the parent's other
// threads; the child sees an end.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { needs } from './tools/needs.js';
import { libc } from './tools/package.js';
import { succeeds } from './tools/run.js';
import { scratch } from './tools/scratch.js';

const cases: [name: string, title: string, file?: string][] = [
  ['talkers', 'threads with connections, in six ways of waiting, lose no message and no wake-up'],
  ['listener', 'a thread in accept(2) loses no connection, the child opens no port'],
  ['generations', 'so it is with the child of a child'],
  ['worker', 'a Worker has all that a child process of its says'],
  ['resolver', 'dns.resolve(): no answer is lost', 'severed-names.js'],
];
for (const [name, title, file = 'severed.js'] of cases) {
  test(title, { timeout: 90_000 }, async () => {
    assert.equal(await succeeds(file, [name], { timeout: 80_000 }), 'done\n');
  });
}

test("a Worker's pipe that no epoll watches: the child's copy does not write there", async () => {
  const output = await succeeds('severed.js', ['unwatched']);
  assert.deepEqual(output.trim().split('\n').sort(), ['after', 'before', 'done']);
});

const inNetwork = ['unshare', '--net', '--mount'];
const tools = needs('root', 'unshare', 'mount');
const needsNamespaces = tools.skip
  ? tools
  : {
      skip:
        spawnSync('unshare', ['--net', '--mount', 'true']).status !== 0 &&
        'needs network and mount namespaces (unshare of util-linux)',
    };

test('look-ups with a thousand addresses: every one ends', needsNamespaces, async () => {
  const options = { under: inNetwork, timeout: 80_000 };
  assert.equal(await succeeds('severed-names.js', ['lookups', '60'], options), 'done\n');
});

test("libc's queries: no answer is lost", needsNamespaces, async (t) => {
  const folder = scratch(t);
  // In the child, musl's copies of the parent's look-ups keep the thread pool until their `timeout` is over.
  const musl = libc === 'musl';
  writeFileSync(
    join(folder, 'resolv.conf'),
    `nameserver 127.0.0.1\noptions timeout:${musl ? 10 : 30} attempts:1\n`,
  );
  writeFileSync(join(folder, 'nsswitch.conf'), 'hosts: dns\n');
  const bind = ['resolv.conf', 'nsswitch.conf']
    .filter((name) => existsSync(`/etc/${name}`))
    .map((name) => `mount --bind ${folder}/${name} /etc/${name} &&`);
  const script = `mount --make-rprivate / && ${bind.join(' ')} exec "$@"`;
  const options = { under: [...inNetwork, 'sh', '-c', script, 'sh'], timeout: 80_000 };
  const forks = musl ? ['3'] : [];
  assert.equal(await succeeds('severed-names.js', ['names', ...forks], options), 'done\n');
});

test("a connection to nscd is libc's, whoever waits", needsNamespaces, async (t) => {
  const folder = scratch(t);
  mkdirSync(join(folder, 'nscd'));
  const script = 'mount --make-rprivate / && mount --bind "$0" /run && exec "$@"';
  const options = { under: ['unshare', '--mount', 'sh', '-c', script, folder], timeout: 60_000 };
  const args = ['idle', '/run/nscd', '/run/other'];
  assert.equal(await succeeds('severed.js', args, options), 'done\n');
});

test("a pool thread reads standard input: it is the parent's", async () => {
  const output = await succeeds('severed.js', ['input'], {
    meanwhile: async (child) => {
      await once(child.stdout as NodeJS.ReadableStream, 'data');
      child.stdin?.write('answer\n');
    },
  });
  assert.equal(output, 'asks\ndone\n');
});

test('with a debugger attached: its session goes on, every child ends', async () => {
  const { run } = await import('./tools/run.js');
  const { stdout, stderr, code, survivors } = await run('severed.js', ['inspected'], {
    execArgv: ['--inspect=127.0.0.1:0', '--inspect-publish-uid=http'],
    timeout: 80_000,
  });
  assert.deepEqual(
    { stdout, code, survivors },
    { stdout: 'done\n', code: 0, survivors: [] },
    stderr,
  );
});

const traced = needs('root', 'unshare', 'mount', 'strace');
const needsFuse = traced.skip ? traced : { skip: !existsSync('/dev/fuse') && 'needs /dev/fuse' };

test(
  'a file server that is silent holds nobody up; no fstat(2) under the park',
  needsFuse,
  async (t) => {
    const folder = scratch(t);
    const trace = join(folder, 'trace');
    const calls = 'trace=fstat,newfstatat,stat,lstat,statx,clone,clone3,rt_tgsigqueueinfo';
    const script = 'mount --make-rprivate / && exec "$@"';
    const strace = ['strace', '-o', trace, '-e', calls];
    const options = {
      under: ['unshare', '--mount', 'sh', '-c', script, 'sh', ...strace],
      timeout: 60_000,
    };
    assert.equal(await succeeds('silent.js', [folder], options), 'done\n');
    const lines = readFileSync(trace, 'utf8').split('\n');
    const forks = lines.flatMap((line, at) => (/^clone\(.*flags=SIGCHLD\)/.test(line) ? [at] : []));
    assert.equal(forks.length, 3, lines.join('\n'));
    for (const at of forks) {
      const parked = lines
        .slice(0, at)
        .findLastIndex((line) => line.startsWith('rt_tgsigqueueinfo'));
      const under = lines.slice(parked, at).filter((line) => /^(new)?[fl]?stat/.test(line));
      assert.deepEqual(
        under.filter((line) => !line.startsWith('statx')),
        [],
      );
      for (const line of under) assert.match(line, /AT_STATX_DONT_SYNC/);
    }
  },
);

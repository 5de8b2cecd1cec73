// Where fork() cannot work it throws, does not change the parent, and leaves no child.
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fork, forkSupport } from 'daemonkit';
import { needs } from './tools/needs.js';
import { threadIds } from './tools/proc.js';
import { reports, succeeds } from './tools/run.js';

interface Refusal {
  code: string;
  message: string;
  syscall: string;
  live: boolean;
  reasons: string[];
}

test('forkSupport: live here, and no reason against it', () => {
  assert.deepEqual(forkSupport(), { live: true, reasons: [], limits: [] });
});

test('wrong options are refused before anything else', () => {
  for (const [value, code] of [
    [null, 'ERR_INVALID_ARG_TYPE'],
    [1, 'ERR_INVALID_ARG_TYPE'],
    ['workers', 'ERR_INVALID_ARG_TYPE'],
    [[], 'ERR_INVALID_ARG_TYPE'],
    [{ workers: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ timeout: '1' }, 'ERR_INVALID_ARG_TYPE'],
    [{ unknown: true }, 'ERR_INVALID_ARG_VALUE'],
    [{ timeout: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ timeout: 0.5 }, 'ERR_OUT_OF_RANGE'],
    [{ timeout: Number.NaN }, 'ERR_OUT_OF_RANGE'],
  ] as const) {
    const name = code === 'ERR_OUT_OF_RANGE' ? 'RangeError' : 'TypeError';
    assert.throws(() => fork(value as never), { code, name }, JSON.stringify(value));
  }
});

test('in a Worker: ERR_WORKER_UNSUPPORTED_OPERATION', async () => {
  const { code, live } = await reports<Refusal>('refuse.js', ['inWorker']);
  assert.deepEqual({ code, live }, { code: 'ERR_WORKER_UNSUPPORTED_OPERATION', live: false });
});

test('with a live Worker: refused by default, in words; possible when it has ended', async () => {
  const { code, message } = await reports<Refusal>('refuse.js', ['besideWorkers']);
  assert.match(code, /^E[A-Z_]+$/);
  assert.match(message, /worker/i);
});

test('with { workers: true } a Worker goes on in parent and child', async () => {
  assert.equal(await succeeds('refuse.js', ['workersCarried']), 'done\n');
});

for (const when of ['from the start', 'later']) {
  test(
    `without /proc (${when}): ENOTSUP, in the words of forkSupport()`,
    needs('root', 'unshare', 'mount', 'umount'),
    async () => {
      // Under it another one may be mounted, of another PID namespace.
      const bare = 'while umount -l /proc 2>/dev/null; do :; done;';
      const unmount = when === 'later' ? '' : bare;
      const script = `mount --make-rprivate / || exit; ${unmount} exec "$@"`;
      const { code, message, live, reasons } = await reports<Refusal>(
        'refuse.js',
        ['noProc', when],
        {
          under: ['unshare', '--mount', 'sh', '-c', script, 'sh'],
          // A debugger, whose sockets are looked up in /proc, must not stand before the reason.
          execArgv: ['--inspect=127.0.0.1:0', '--inspect-publish-uid=http'],
        },
      );
      assert.deepEqual({ code, live }, { code: 'ENOTSUP', live: false });
      assert.match(reasons.join(), /\/proc/);
      for (const reason of reasons) assert.ok(message.includes(reason), `${message}: ${reason}`);
    },
  );
}

/** Answers each `ready` of a fixture after changing something. */
async function atEachStop(child: ChildProcess, ...steps: (() => void)[]) {
  for (const step of steps) {
    assert.ok(child.stdout);
    await once(child.stdout, 'data');
    step();
    child.stdin?.write('go\n');
  }
}

/** Sets a process's soft limit; root without CAP_SYS_RESOURCE must be the same user for that. */
function limitTasks(pid: number, tasks: number) {
  const user = ['--reuid=61234', '--regid=61235', '--clear-groups'];
  execFileSync('setpriv', [...user, 'prlimit', `--pid=${pid}`, `--nproc=${tasks}:`]);
}

// With room for no further thread the parent's own clone fails; with room for three the child's
// main thread comes to life and one of its threads does not.
for (const room of [0, 1, 3]) {
  test(
    `RLIMIT_NPROC with room for ${room} threads, as an ordinary user: EAGAIN`,
    needs('root', 'setpriv', 'prlimit'),
    async () => {
      const output = await succeeds('refuse.js', ['processLimit'], {
        meanwhile: (child) => {
          const pid = child.pid ?? 0;
          const full = () => limitTasks(pid, threadIds(pid).length + room);
          return atEachStop(child, full, () => limitTasks(pid, 1000));
        },
      });
      const { code } = JSON.parse(output.slice(output.indexOf('{'))) as Refusal;
      assert.equal(code, 'EAGAIN');
    },
  );
}

test(
  'a full descriptor table: EMFILE at each descriptor fork() opens, parent intact',
  needs('prlimit'),
  async () => {
    const outcomes = await reports<string[]>('refuse.js', ['tableFull'], {
      under: ['prlimit', '--nofile=192:4096'],
    });
    const firstGood = outcomes.indexOf('worked');
    assert.ok(firstGood >= 0, outcomes.join(' '));
    for (const [free, outcome] of outcomes.entries()) {
      assert.equal(outcome, free < firstGood ? 'EMFILE' : 'worked', outcomes.join(' '));
    }
  },
);

const permission =
  Number.parseInt(process.versions.node, 10) < 22 ? '--experimental-permission' : '--permission';
const sandbox = [permission, '--allow-fs-read=*', '--allow-addons', '--no-warnings'];

test('under --permission: not supported, and forkSupport() names the permission', async () => {
  const { live, reasons, outcome } = await reports<Refusal & { outcome: string }>(
    'refuse.js',
    ['permission'],
    { execArgv: sandbox },
  );
  assert.deepEqual({ live, outcome }, { live: false, outcome: 'ENOTSUP' });
  assert.match(reasons.join(), /permission/);
});

test('under --permission --allow-child-process: works', async () => {
  const { live, outcome } = await reports<Refusal & { outcome: string }>(
    'refuse.js',
    ['permission'],
    { execArgv: [...sandbox, '--allow-child-process'] },
  );
  assert.deepEqual({ live, outcome }, { live: true, outcome: 'worked' });
});

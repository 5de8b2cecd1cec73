// Resource limits, from /proc/PID/limits.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { needs } from './tools/needs.js';
import { runScript } from './tools/script.js';
import { guard, subject } from './tools/subject.js';

const TITLES: Record<string, string> = {
  AS: 'Max address space',
  CORE: 'Max core file size',
  CPU: 'Max cpu time',
  DATA: 'Max data size',
  FSIZE: 'Max file size',
  LOCKS: 'Max file locks',
  MEMLOCK: 'Max locked memory',
  MSGQUEUE: 'Max msgqueue size',
  NICE: 'Max nice priority',
  NOFILE: 'Max open files',
  NPROC: 'Max processes',
  RSS: 'Max resident set',
  RTPRIO: 'Max realtime priority',
  RTTIME: 'Max realtime timeout',
  SIGPENDING: 'Max pending signals',
  STACK: 'Max stack size',
};

/** Soft and hard limit in the kernel's words. */
function limits(pid: number, resource: string): string[] {
  const text = readFileSync(`/proc/${pid}/limits`, 'utf8');
  const line = text.split('\n').find((line) => line.startsWith(TITLES[resource] as string)) ?? '';
  return line.slice(26).trim().split(/\s+/).slice(0, 2);
}

const shown = "String(limit === Infinity ? 'unlimited' : limit)";

test('getrlimit: every resource, as the kernel has it', async () => {
  await using process_ = subject(`
    const show = (limit) => ${shown};
    for (const name of ${JSON.stringify(Object.keys(TITLES))}) {
      const { soft, hard } = daemonkit.getrlimit(name);
      say(name, show(soft), show(hard));
    }
    setInterval(() => {}, 1000);`);
  for (const name of Object.keys(TITLES)) {
    assert.equal(await process_.line(), [name, ...limits(process_.pid, name)].join(' '));
  }
});

test('setrlimit: soft, hard, both, none; exact beyond 2^53', async () => {
  await using process_ = subject(`
    const { getrlimit, setrlimit } = daemonkit;
    setrlimit('NOFILE', { soft: 64, hard: 512 });
    setrlimit('NPROC', { soft: 1000 });
    setrlimit('CORE', { soft: 0, hard: Infinity });
    setrlimit('FSIZE', { soft: 2n ** 62n + 1n, hard: 2n ** 64n - 2n });
    setrlimit('DATA', { soft: 2 ** 53 - 1, hard: 2 ** 53 - 1 });
    setrlimit('RTTIME', { soft: 2n ** 53n, hard: 2n ** 53n });
    const types = ['FSIZE', 'DATA', 'RTTIME'].map((name) => typeof getrlimit(name).soft);
    say(getrlimit('FSIZE').soft, ...types, daemonkit.getdtablesize());
    setInterval(() => {}, 1000);`);
  assert.equal(await process_.line(), '4611686018427387905 bigint number bigint 64');
  const at = (name: string) => limits(process_.pid, name).join(' ');
  assert.equal(at('NOFILE'), '64 512');
  assert.equal(limits(process_.pid, 'NPROC')[0], '1000');
  assert.equal(limits(process_.pid, 'NPROC')[1], limits(process.pid, 'NPROC')[1]);
  assert.equal(at('CORE'), '0 unlimited');
  assert.equal(at('FSIZE'), '4611686018427387905 18446744073709551614');
  assert.equal(at('DATA'), '9007199254740991 9007199254740991');
  assert.equal(at('RTTIME'), '9007199254740992 9007199254740992');
});

test('setrlimit: it works, and what the kernel refuses', needs('root', 'setpriv'), () => {
  const ran = runScript(
    `const { getrlimit, setrlimit } = daemonkit;
    const failure = (f) => { try { return f(); } catch (e) { return [e.code, e.errno, e.syscall].join(' '); } };
    setrlimit('NOFILE', { soft: 100, hard: 200 });
    const fds = [];
    console.log(failure(() => { for (;;) fds.push(fs.openSync('/dev/null')); }));
    console.log(fds.at(-1));
    fds.forEach((fd) => fs.closeSync(fd));
    console.log(failure(() => setrlimit('NOFILE', { soft: 201 })));
    console.log(failure(() => setrlimit('NOFILE', { hard: 99 })));
    console.log(failure(() => setrlimit('NOFILE', { hard: 201 })));
    console.log(JSON.stringify(getrlimit('NOFILE')));
    setrlimit('FSIZE', { soft: 10 });
    console.log(failure(() => { fs.writeFileSync('/dev/shm/daemonkit-limit', 'x'.repeat(20)); }));
    fs.unlinkSync('/dev/shm/daemonkit-limit');`,
    { via: ['setpriv', '--bounding-set=-sys_resource'] },
  );
  assert.deepEqual(ran.stdout.trim().split('\n'), [
    'EMFILE -24 open',
    '99',
    'EINVAL -22 setrlimit',
    'EINVAL -22 setrlimit',
    'EPERM -1 setrlimit',
    '{"soft":100,"hard":200}',
    'EFBIG -27 write',
  ]);
});

test('child and grandchild inherit the limits, and change only their own', async () => {
  await using family = subject(`
    daemonkit.setrlimit('NOFILE', { soft: 300, hard: 600 });
    let generation = 1;
    for (; generation < 3; generation++) if (daemonkit.fork() !== 0) break;
    ${guard}
    if (generation > 1) daemonkit.setrlimit('NOFILE', { soft: 300 - generation });
    say(generation, process.pid, daemonkit.getrlimit('NOFILE').hard);
    setInterval(() => {}, 1000);`);
  const lines = [await family.line(), await family.line(), await family.line()].sort();
  for (const [i, soft] of [300, 298, 297].entries()) {
    const [generation, pid, hard] = (lines[i] as string).split(' ').map(Number);
    assert.deepEqual([generation, hard], [i + 1, 600]);
    assert.deepEqual(limits(pid as number, 'NOFILE'), [`${soft}`, '600']);
  }
});

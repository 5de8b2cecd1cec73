import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gate, killed, noChild, withFamily } from './tools/adopted.js';
import { needs, needsStrace } from './tools/needs.js';
import { entry } from './tools/script.js';

test('waitpidAsync: exit codes and signals of many at once, with the event loop alive', () => {
  const commands = Array.from(
    { length: 50 },
    (_, i) => `${gate} sleep 0.${i % 4}; ${i % 5 === 4 ? killed('TERM') : `exit ${i}`}`,
  );
  const [results, ticks, leaked] = withFamily(
    commands,
    `children.forEach((_, i) => gated(i));
    let ticks = 0;
    const timer = setInterval(() => ticks++, 10);
    const before = descriptors();
    const waits = children.map((pid) => waitpidAsync(pid));
    children.forEach((_, i) => resume(i));
    say((await Promise.all(waits)).map(brief));
    clearInterval(timer);
    say(ticks);
    say(descriptors() - before);`,
  ) as [unknown[], number, number];
  const expected = commands.map((_, i) =>
    i % 5 === 4 ? [i, null, 'SIGTERM', false, false] : [i, i, null, false, false],
  );
  assert.deepEqual(results, expected);
  assert.ok(ticks >= 5, `the timer ticked ${ticks} times`);
  assert.equal(leaked, 0);
});

test('waitpidAsync: no polling, one look before and one after', needsStrace, () => {
  const folder = mkdtempSync(join(tmpdir(), 'daemonkit-process-'));
  try {
    const trace = join(folder, 'trace');
    const lines = withFamily(
      [`${gate} sleep 0.3; exit 8`],
      `gated(0);
      daemonkit.getppid();
      const wait = waitpidAsync(children[0]);
      setTimeout(resume, 200, 0);
      say(brief(await wait));`,
      [
        'strace',
        '-o',
        trace,
        '-e',
        'signal=none',
        '-e',
        'trace=getppid,wait4,waitid,pidfd_open,rt_sigaction',
      ],
    );
    assert.deepEqual(lines, [[0, 8, null, false, false]]);
    const text = readFileSync(trace, 'utf8');
    const calls = text.slice(text.lastIndexOf('getppid(')).split('\n').filter(Boolean);
    const names = calls.map((line) => line.slice(0, line.indexOf('(')));
    assert.deepEqual(names.slice(0, 4), ['getppid', 'wait4', 'pidfd_open', 'wait4']);
    // Node restores every signal's action when it exits; SIGCHLD had no handler before.
    assert.ok(names.slice(4).every((name) => !name.startsWith('wait')));
    assert.ok(calls.every((line) => !line.startsWith('rt_sigaction(SIGCHLD, {sa_handler=0x')));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('waitpidAsync: ECHILD for strangers, and for all but one of several waits', () => {
  const lines = withFamily(
    [`${gate} exit 5`, `${gate} exit 6`],
    `const before = descriptors();
    const fail = (promise) => promise.then(() => 'resolved', failure);
    say([await fail(waitpidAsync(1)), await fail(waitpidAsync(process.pid))]);
    [0, 1].forEach(gated);
    const both = [0, 0].map((i) => waitpidAsync(children[i]));
    resume(0);
    const settled = await Promise.allSettled(both);
    say(settled.map((r) => (r.value ? brief(r.value) : failure(r.reason))).sort());
    const late = fail(waitpidAsync(children[1]));
    resume(1);
    waitpid(children[1]);
    say(await late);
    say(descriptors() - before);`,
  );
  assert.deepEqual(lines, [[noChild, noChild], [[0, 5, null, false, false], noChild], noChild, 0]);
});

test('waitpidAsync: an AbortSignal ends the wait and leaves the child to be waited for', () => {
  const lines = withFamily(
    [`${gate} exit 7`],
    `import { getEventListeners } from 'node:events';
    gated(0);
    const before = descriptors();
    const controller = new AbortController();
    const { signal } = controller;
    const wait = waitpidAsync(children[0], { signal });
    const during = descriptors() - before;
    setTimeout(() => controller.abort('enough'), 20);
    say(await wait.catch((e) => [failure(e), e.cause]));
    say([during, descriptors() - before, getEventListeners(signal, 'abort').length]);
    say(await waitpidAsync(children[0], { signal }).catch((e) => [failure(e), e.cause]));
    const other = new AbortController();
    const again = waitpidAsync(children[0], { signal: other.signal });
    resume(0);
    say(brief(await again));
    say([descriptors() - before, getEventListeners(other.signal, 'abort').length]);
    other.abort();`,
  );
  const aborted = ['AbortError ABORT_ERR  ', 'enough'];
  assert.deepEqual(lines, [aborted, [1, 0, 0], aborted, [0, 7, null, false, false], [0, 0]]);
});

test('waitpidAsync: the exit events of child_process still come', () => {
  const lines = withFamily(
    [1, 2, 3].map((code) => `${gate} sleep 0.${code}; exit ${code}`),
    `import { spawn } from 'node:child_process';
    import { once } from 'node:events';
    [0, 1, 2].forEach(gated);
    const waited = children.map((pid) => waitpidAsync(pid));
    const spawned = [11, 12, 13].map((code, i) =>
      once(spawn('sh', ['-c', 'sleep 0.' + (i + 1) + '; exit ' + code]), 'exit'));
    [0, 1, 2].forEach(resume);
    say((await Promise.all(waited)).map((r) => r.exitCode));
    say(await Promise.all(spawned));`,
  );
  const exits = [11, 12, 13].map((code) => [code, null]);
  assert.deepEqual(lines, [[1, 2, 3], exits]);
});

test('waitpidAsync: keeps the process alive, by a close-on-exec descriptor', () => {
  const lines = withFamily(
    [`${gate} sleep 0.2; exit 9`],
    `gated(0);
    waitpidAsync(children[0]).then((r) => say(brief(r)));
    const fd = fs.readdirSync('/proc/self/fd').find((fd) => {
      try { return fs.readlinkSync('/proc/self/fd/' + fd).includes('pidfd'); } catch {}
    });
    const flags = /flags:\\s*(\\d+)/.exec(fs.readFileSync('/proc/self/fdinfo/' + fd, 'utf8'))[1];
    say((parseInt(flags, 8) & 0o2000000) !== 0);
    resume(0);`,
  );
  assert.deepEqual(lines, [true, [0, 9, null, false, false]]);
});

test(
  'waitpidAsync: without a descriptor a plain error and no harm; without the system call it looks',
  needs('strace', 'prlimit'),
  () => {
    const source = `gated(0);
    say(await waitpidAsync(children[0]).catch(failure));
    resume(0);
    say(brief(waitpid(children[0])));`;
    const fill = 'for (;;) { try { daemonkit.dup(0); } catch { break; } }';
    const attempt = (before: string, via: string[]) =>
      withFamily([`${gate} exit 2`], before + source, via);
    const ended = [0, 2, null, false, false];
    const full = attempt(fill, ['prlimit', '--nofile=128:128']);
    assert.deepEqual(full, ['Error EMFILE -24 pidfd_open', ended]);
    const inject = ['-e', 'inject=pidfd_open:error=ENOSYS'];
    const look = `gated(0);
      const wait = waitpidAsync(children[0]);
      resume(0);
      say(brief(await wait));`;
    const traced = ['strace', '-o', '/dev/null', ...inject];
    assert.deepEqual(withFamily([`${gate} exit 2`], look, traced), [ended]);
  },
);

test('waitpidAsync: a Worker that ends with a pending wait leaves no descriptor', () => {
  const lines = withFamily(
    [`${gate} exit 3`],
    `import { Worker } from 'node:worker_threads';
    import { once } from 'node:events';
    gated(0);
    const source = 'const { parentPort, workerData } = require("node:worker_threads");' +
      'import(workerData[0]).then(({ waitpidAsync }) => {' +
      '  waitpidAsync(workerData[1]); parentPort.postMessage("waiting"); });';
    const workerData = [${JSON.stringify(entry)}, children[0]];
    const pidfds = () => fs.readdirSync('/proc/self/fd').filter((fd) => {
      try { return fs.readlinkSync('/proc/self/fd/' + fd).includes('pidfd'); } catch {}
    }).length;
    const worker = new Worker(source, { eval: true, execArgv: [], workerData });
    await once(worker, 'message');
    say(pidfds());
    await worker.terminate();
    say(pidfds());
    resume(0);
    say(brief(waitpid(children[0])));`,
  );
  assert.deepEqual(lines, [1, 0, [0, 3, null, false, false]]);
});

test('waitpidAsync: children of fork(), ended by _exit(), process.exit() and a signal', () => {
  const lines = withFamily(
    [],
    `const ends = [
      () => daemonkit._exit(3),
      () => setTimeout(() => process.exit(4), 50),
      () => setTimeout(() => process.kill(process.pid, 'SIGKILL'), 100),
      () => {},
    ];
    process.on('exit', (code) => { if (code === 3) say('an exit listener ran'); });
    const parent = daemonkit.getpid();
    const before = descriptors();
    const pids = [];
    for (const end of ends) {
      const pid = daemonkit.fork();
      if (pid === 0) { end(); break; }
      pids.push(pid);
    }
    if (daemonkit.getpid() === parent) {
      const results = await Promise.all(pids.map((pid) => waitpidAsync(pid)));
      say(results.map((r) => [pids.indexOf(r.pid), r.exitCode, r.signal]));
      say(descriptors() - before);
    }`,
  );
  const results = [
    [0, 3, null],
    [1, 4, null],
    [2, null, 'SIGKILL'],
    [3, 0, null],
  ];
  assert.deepEqual(lines, [results, 0]);
});

test('waitpidAsync: in a child of fork() the waits of its parent hold nothing, and never settle', () => {
  const lines = withFamily(
    [`${gate} exit 3`],
    `gated(0);
    const before = descriptors();
    const controller = new AbortController();
    const parent = daemonkit.getpid();
    const settled = (how) => say([daemonkit.getpid() === parent, how]);
    const { signal } = controller;
    const aborted = waitpidAsync(children[0], { signal }).catch((e) => settled(e.name));
    const waited = waitpidAsync(children[0]).then((r) => settled(r.exitCode));
    const copy = daemonkit.fork();
    if (copy === 0) {
      // Ends by itself, while the child that its parent waits for still lives.
      say(descriptors() - before);
      controller.abort();
    } else {
      say((await waitpidAsync(copy)).exitCode);
      say(descriptors() - before);
      controller.abort();
      await aborted;
      resume(0);
      await waited;
    }`,
  );
  assert.deepEqual(lines, [0, 0, 2, [true, 'AbortError'], [true, 3]]);
});

// System calls that a seccomp filter refuses: the reason names what is refused, and what can do
// without does.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { linesOf } from './tools/script.js';

const addon = createRequire(import.meta.url).resolve(
  '../../test/native/build/Release/test_faults.node',
);

/** Runs it with `deny(call, errno)` in scope. */
const denied = (source: string) =>
  linesOf<unknown>(`
    import { createRequire } from 'node:module';
    const { refuse } = createRequire(import.meta.url)(${JSON.stringify(addon)});
    const { fork, forkSupport, waitpid, waitpidAsync, _exit } = daemonkit;
    const say = (value) => console.log(JSON.stringify(value));
    const deny = (call, errno) => { if (refuse(call, errno) !== 0) throw new Error('no filter'); };
    ${source}`);

const [EPERM, EACCES, ENOSYS] = [1, 13, 38];

for (const [call, errno, reason] of [
  ['prctl', EPERM, 'prctl(2) is not permitted'],
  ['prctl', ENOSYS, 'prctl(2) is not permitted'],
  ['readlinkat', EPERM, 'readlinkat(2) is not permitted'],
  ['readlinkat', EACCES, 'readlinkat(2) is not permitted'],
  ['rt_tgsigqueueinfo', EPERM, 'rt_tgsigqueueinfo(2) is not permitted'],
] as const) {
  test(`${call} refused with ${errno}: ENOTSUP, in these words, before and after a fork`, () => {
    const [before, ...after] = denied(`
      const pid = fork();
      if (pid === 0) _exit(5);
      say(waitpid(pid).exitCode);
      deny('${call}', ${errno});
      say(forkSupport());
      try { fork(); } catch ({ code, message }) { say([code, message]); }
      try { waitpid(-1); } catch ({ code }) { say(code); }`);
    assert.equal(before, 5);
    assert.deepEqual(after, [
      { live: false, reasons: [reason], limits: [] },
      ['ENOTSUP', `ENOTSUP: ${reason}, fork`],
      'ECHILD',
    ]);
  });
}

for (const errno of [EPERM, ENOSYS]) {
  test(`pidfd_open refused with ${errno}: waitpidAsync looks from time to time`, () => {
    const said = denied(`
      import { setTimeout as sleep } from 'node:timers/promises';
      deny('pidfd_open', ${errno});
      const first = fork();
      if (first === 0) _exit(1);
      const second = fork();
      if (second === 0) await sleep(60_000);
      // The loop turns while it waits, however seldom on a crowded machine.
      let ticks = 0;
      setInterval(() => { if (++ticks === 6) process.kill(second, 'SIGKILL'); }, 5).unref();
      const ends = await Promise.all([waitpidAsync(first), waitpidAsync(second)]);
      say(ends.map(({ exitCode, signal }) => exitCode ?? signal));
      const controller = new AbortController();
      const pid = fork();
      if (pid === 0) await sleep(60_000);
      const wait = waitpidAsync(pid, { signal: controller.signal });
      controller.abort();
      await wait.catch(({ code }) => say(code));
      process.kill(pid, 'SIGKILL');
      say((await waitpidAsync(pid)).signal);
      await waitpidAsync(pid).catch(({ code }) => say(code));`);
    assert.deepEqual(said, [[1, 'SIGKILL'], 'ABORT_ERR', 'SIGKILL', 'ECHILD']);
  });
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { getpgid, getsid } from 'daemonkit';
import { stat } from './tools/proc.js';

/** Process group and session, from the kernel. */
const groupAndSession = (pid: number) => stat(pid).slice(2, 4).map(Number);

test('getpgid and getsid agree with /proc', () => {
  assert.deepEqual([getpgid(), getsid()], groupAndSession(process.pid));
  assert.deepEqual([getpgid(1), getsid(1)], groupAndSession(1));
});

test('wrong arguments are refused before any system call', () => {
  assert.throws(() => getsid('1' as never), { code: 'ERR_INVALID_ARG_TYPE', name: 'TypeError' });
  assert.throws(() => getsid(-1), { code: 'ERR_OUT_OF_RANGE', name: 'RangeError' });
  assert.throws(() => getsid(2 ** 31 - 1), { code: 'ESRCH', errno: -3, syscall: 'getsid' });
});

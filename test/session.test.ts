import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { getpgid, getsid } from 'daemonkit';

/** Fields 5 and 6 of /proc/PID/stat: process group and session, as the kernel tells them. */
function groupAndSession(pid: number): [number, number] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return [Number(fields[2]), Number(fields[3])];
}

test('getpgid and getsid agree with /proc', () => {
  assert.deepEqual([getpgid(), getsid()], groupAndSession(process.pid));
  assert.deepEqual([getpgid(1), getsid(1)], groupAndSession(1));
});

test('wrong arguments are refused before any system call', () => {
  assert.throws(() => getsid('1' as never), { code: 'ERR_INVALID_ARG_TYPE', name: 'TypeError' });
  assert.throws(() => getsid(-1), { code: 'ERR_OUT_OF_RANGE', name: 'RangeError' });
  assert.throws(() => getsid(2 ** 31 - 1), { code: 'ESRCH', errno: -3, syscall: 'getsid' });
});

// The 21 checks of FreeBSD's tests/sys/file/closefrom_test.c, in its order, by each of the ways that
// closeRange() knows. Its descriptors 3, 4, 5... are 100, 101, 102... here: below, Node has its own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runScript } from './tools/script.js';

const CHECKS = [
  'open',
  'the highest descriptor is seen',
  'closefrom beyond it changes nothing',
  'open 16',
  'closefrom in the middle',
  'close two, to make holes',
  'the first hole is EBADF',
  'the second hole is EBADF',
  'closefrom over holes',
  'a child that has closed nothing is told apart',
  'closefrom(0)',
  'closefrom(-1)',
  'dup2',
  'closefrom that starts in a hole',
  'closefrom beyond the highest',
  'close_range in the middle',
  'close_range that starts in the hole',
  'close_range to the end',
  'close_range of the rest',
  'closefrom(0) twice',
  'close_range with the close-on-exec flag',
];

const script = (method: number) => `
const { closefrom, dup2, fork, waitpid, _exit } = daemonkit;
const MAX = 2 ** 32 - 1;
const range = (first, last, flag = false) => native.closeRange(first, last, flag, ${method}) === 0;
const from = (lowest) => range(lowest, MAX);
const code = (f) => { try { f(); return ''; } catch (error) { return error.code; } };
const isOpen = (fd) => native.closeOnExec(fd) >= 0;
const highest = () => Math.max(...fs.readdirSync('/proc/self/fd').map(Number).filter(isOpen));
const numbers = (first, last) => Array.from({ length: last - first + 1 }, (_, i) => first + i);
const open = () => { let fd = 100; while (isOpen(fd)) fd++; return dup2(0, fd); };
// In a child, which has nothing left but the number of the directory that it reads.
const inChild = (closes) => {
  for (let tries = 0, pid = fork(); pid !== 0; pid = fork()) {
    const { exitCode, signal } = waitpid(pid);
    // If a thread of the runtime wakes up during the loop, its epoll is closed, and libuv aborts.
    // This is more likely the longer the loop takes (three of four on a busy machine), and does not
    // depend on what was closed.
    if (signal !== 'SIGABRT' || ++tries === 1000) return exitCode === 7;
  }
  const ok = closes();
  _exit(ok && fs.readdirSync('/proc/self/fd').join() === '0' ? 7 : 8);
};
from(100);

const results = [];
const check = (ok) => results.push(ok);
const start = open();
check(start === 100);
check(highest() === start);
check(from(start + 1) && highest() === start);
numbers(1, 16).forEach(open);
check(highest() === start + 16);
check(from(108) && highest() === 107);
check(code(() => { fs.closeSync(103); fs.closeSync(105); }) === '');
check(code(() => fs.closeSync(103)) === 'EBADF');
check(code(() => fs.closeSync(105)) === 'EBADF');
check(from(101) && highest() === 100);
check(!inChild(() => true));
check(inChild(() => from(0)));
// A type error in C's unsigned terms; here it is refused and closes nothing.
check(code(() => closefrom(-1)) === 'ERR_OUT_OF_RANGE' && highest() === 100);
check(dup2(1, 103) === 103 && highest() === 103);
check(from(101) && highest() === 100);
check(from(129) && highest() === 100);
const eight = numbers(1, 8).map(open);
const [first, last] = [eight[0], eight[7]];
check(range(first + 3, first + 5) && numbers(first + 3, first + 5).every((fd) => !isOpen(fd)));
check(range(first + 4, first + 6) && highest() === last && !isOpen(first + 6));
check(range(first + 3, MAX) && highest() === first + 2);
check(range(first, first + 4) && highest() === 100);
check(inChild(() => from(0) && from(0)));
numbers(1, 8).forEach(open);
const marked = range(first + 1, first + 4, true);
check(marked && eight.every((fd, i) => native.closeOnExec(fd) === (i >= 1 && i <= 4 ? 1 : 0)));
console.log(JSON.stringify(results));
`;

const methods = { 'close_range(2)': 1, '/proc/self/fd': 2, 'the getdtablesize() loop': 3 };
for (const [name, method] of Object.entries(methods)) {
  test(`FreeBSD's 21 checks, by ${name}`, () => {
    const { status, stdout, stderr } = runScript(script(method));
    assert.deepEqual([status, stderr], [0, '']);
    const results = JSON.parse(stdout) as boolean[];
    assert.deepEqual(
      CHECKS.filter((_, i) => results[i] !== true),
      [],
    );
    assert.equal(results.length, CHECKS.length);
  });
}

// Every wrong argument of the thin calls: the right error, and no system call.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { runScript } from './helpers/script.js';
import { needsStrace } from './tools/needs.js';

const type = 'TypeError ERR_INVALID_ARG_TYPE';
const range = 'RangeError ERR_OUT_OF_RANGE';
const value = 'TypeError ERR_INVALID_ARG_VALUE';

/** For an argument that must be a whole number. */
const notNumbers = ["'1'", 'null', 'undefined', '{}', '1n', 'true', 'Symbol()'].map((a) => [
  a,
  type,
]);
const notWhole = ['1.5', 'NaN', 'Infinity', '-Infinity'].map((a) => [a, range]);
const notIntegers = [...notNumbers, ...notWhole];
const notDescriptors = [...notIntegers, ['-1', range], ['2 ** 31', range]];
const notOptions = ['null', '7', "'x'", '[]'].map((a) => [a, type]);

const wrong: Record<string, string[][]> = {
  'dup($)': notDescriptors,
  'dup2($, 9)': notDescriptors,
  'dup2(9, $)': notDescriptors,
  'closefrom($)': notDescriptors,
  'closeRange($, 2 ** 32 - 1)': [...notIntegers, ['-1', range], ['2 ** 32', range]],
  'closeRange(900, $)': [...notIntegers, ['899', range], ['2 ** 32', range]],
  'closeRange(900, 901, $)': [...notOptions, ['{ x: 1 }', value], ['{ cloexec: 1 }', type]],
  'waitpid($)': [...notIntegers, ['2 ** 31', range], ['-(2 ** 31) - 1', range]],
  'waitpid(-1, $)': [
    ...notOptions,
    ['{ nohang: true }', value],
    ['{ noHang: 1 }', type],
    ['{ untraced: null }', type],
    ["{ continued: 'yes' }", type],
  ],
  'waitpidAsync($)': [...notIntegers, ['0', range], ['-1', range], ['2 ** 31', range]],
  'waitpidAsync(1, $)': [
    ...notOptions,
    ['{ noHang: true }', value],
    ['{ signal: null }', type],
    ['{ signal: {} }', type],
    ['{ signal: new AbortController() }', type],
    ['{ signal: AbortSignal.abort() }', 'AbortError ABORT_ERR'],
  ],
  '_exit($)': [...notIntegers, ['-1', range], ['256', range]],
  'chroot($)': [
    ...notNumbers.filter(([a]) => a !== "'1'"),
    ['9', type],
    ["''", value],
    ["'/a\\0b'", value],
    ["new URL('http://localhost/')", 'TypeError ERR_INVALID_URL_SCHEME'],
  ],
  "chroot('/', $)": [...notOptions, ['{ root: 1 }', value], ['{ chdir: 1 }', type]],
};

const cases = Object.entries(wrong).flatMap(([call, given]) =>
  given.map(([argument, error]) => [call.replace('$', () => argument as string), error as string]),
);

test('every wrong argument: its error, and no system call', needsStrace, () => {
  const folder = mkdtempSync(join(tmpdir(), 'daemonkit-arguments-'));
  try {
    const trace = join(folder, 'trace');
    // getppid(2) marks, in the trace, where the calls under test begin and end.
    const calls =
      'getppid,dup,dup2,dup3,close_range,close,fcntl,wait4,waitid,pidfd_open,chroot,chdir';
    const ran = runScript(
      `const { dup, dup2, closefrom, closeRange, waitpid, waitpidAsync, _exit, chroot } = daemonkit;
      const failures = [];
      const promises = [];
      const note = (error) => failures.push(error.name + ' ' + error.code);
      daemonkit.getppid();
      ${cases.map(([call]) => `try { promises.push(${call}); } catch (e) { note(e); }`).join('\n')}
      daemonkit.getppid();
      const late = await Promise.allSettled(promises);
      late.forEach(({ reason }) => note(reason ?? { name: 'nothing', code: 'thrown' }));
      console.log(JSON.stringify(failures));`,
      { via: ['strace', '-o', trace, '-e', `trace=${calls}`] },
    );
    assert.equal(ran.stderr, '');
    const asynchronous = (call: string) => call.startsWith('waitpidAsync');
    const expected = [
      ...cases.filter(([call]) => !asynchronous(call as string)),
      ...cases.filter(([call]) => asynchronous(call as string)),
    ];
    const failures = JSON.parse(ran.stdout) as string[];
    assert.deepEqual(
      failures.map((failure, i) => `${expected[i]?.[0]}: ${failure}`),
      expected.map(([call, error]) => `${call}: ${error}`),
    );
    const lines = readFileSync(trace, 'utf8').split('\n');
    const marks = lines.flatMap((line, i) => (line.startsWith('getppid(') ? [i] : []));
    assert.equal(marks.length, 2);
    assert.deepEqual(lines.slice((marks[0] as number) + 1, marks[1]), []);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

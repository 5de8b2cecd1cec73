// Every wrong argument of the thin calls: the right error, and no system call.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { needsStrace } from './tools/needs.js';
import { runScript } from './tools/script.js';

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

const notIds = [...notIntegers, ['-2', range], ['2 ** 32 - 1', range]];
const ids = [...notIds, ['-1', range]];
const notNamesOrIds = [
  ...['null', 'undefined', '{}', '1n', 'true', '[]'].map((a) => [a, type]),
  ...[...notWhole.map(([a]) => a as string), '-1', '2 ** 32 - 1'].map((a) => [a, range]),
  ...["''", "'a\\0b'"].map((a) => [a, value]),
];
const unknownSignals = [
  ...['null', 'undefined', '{}', '1n', 'true'].map((a) => [a, type]),
  ...['1.5', 'NaN', '-1', '65'].map((a) => [a, range]),
  ...["'SIGNOPE'", "'TERM'", "''"].map((a) => [a, value]),
];
const runtimes = ["'SIGKILL'", '19', "'SIGSEGV'", "'SIGPROF'", '33'].map((a) => [a, value]);
const notSignals = [
  ...unknownSignals,
  ...runtimes,
  ['0', range],
  ["['SIGHUP', null]", type],
  ["['SIGHUP', , 1]", type],
];

/** Signals, users and limits. */
const privileged: Record<string, string[][]> = {
  'resetSignals($)': [
    ...notOptions,
    ['{ x: 1 }', value],
    ['{ handled: 1 }', type],
    ["{ signals: 'SIGNOPE' }", value],
    ['{ signals: [null] }', type],
    ['{ signals: 0 }', range],
  ],
  'ignoreSignals($)': [
    ...notSignals,
    ['[]', value],
    ["'SIGCHLD'", value],
    ["['SIGHUP', 17]", value],
  ],
  "signalMask($, 'SIGHUP')": ["'get'", 'null', 'undefined', '1', "'toString'"].map((a) => [
    a,
    value,
  ]),
  "signalMask('block', $)": notSignals,
  "signalMask('set', $)": notSignals,
  "signalMask('unblock', $)": [...unknownSignals, ['0', range]],
  'pidfdOpen($)': [...notIntegers, ['0', range], ['-1', range], ['2 ** 31', range]],
  'pidfdSendSignal($, 0)': notDescriptors,
  'pidfdSendSignal(900, $)': unknownSignals,
  'setChildSubreaper($)': ['null', 'undefined', '1', "'on'"].map((a) => [a, type]),
  'setParentDeathSignal($)': unknownSignals.filter(([a]) => a !== 'null'),
  'getrlimit($)': [
    ...['null', 'undefined', '7', '{}'].map((a) => [a, type]),
    ...["'nofile'", "'RLIMIT_NOFILE'", "''", "'toString'"].map((a) => [a, value]),
  ],
  'setrlimit($, { soft: 1 })': [
    ['7', type],
    ["'nofile'", value],
  ],
  "setrlimit('NOFILE', $)": [
    ...notOptions,
    ...['undefined', '{}', '{ soft: undefined }', '{ cur: 1 }'].map((a) => [a, value]),
    ...["{ soft: '1' }", '{ hard: null }', '{ soft: 1, hard: true }'].map((a) => [a, type]),
    ...['1.5', '-1', 'NaN', '2 ** 53', '-Infinity', '-1n', '2n ** 64n - 1n'].map((a) => [
      `{ soft: ${a} }`,
      range,
    ]),
    ['{ soft: 2, hard: 1 }', range],
    ['{ soft: Infinity, hard: 1n }', range],
  ],
  'setgroups($)': [
    ['[, 4]', type],
    ...['null', 'undefined', '7', '{}', "'daemon'"].map((a) => [a, type]),
    ...ids.map(([a, error]) => [`[4, ${a}]`, error as string]),
  ],
  'initgroups($, 1)': notNamesOrIds,
  'initgroups(1, $)': notNamesOrIds,
  ...Object.fromEntries(
    ['$, 1, 1', '1, $, 1', '1, 1, $'].flatMap((given) => [
      [`setresuid(${given})`, notIds],
      [`setresgid(${given})`, notIds],
    ]),
  ),
  'dropPrivileges($)': [...notOptions, ['undefined', type], ['{}', type], ['{ group: 1 }', type]],
  'dropPrivileges({ user: $ })': notNamesOrIds,
  'dropPrivileges({ user: 1, group: $ })': notNamesOrIds.filter(([a]) => a !== 'undefined'),
  'dropPrivileges({ user: 1, $ })': [['groups: []', value]],
};

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
  "execve($, ['true'])": [
    ...notNumbers.filter(([a]) => a !== "'1'"),
    ["''", value],
    ["'/a\\0b'", value],
    ["new URL('http://localhost/')", 'TypeError ERR_INVALID_URL_SCHEME'],
  ],
  "execve('/bin/true', $)": [
    ...['null', 'undefined', "'true'", '{}', '7', '[1]', '[, 1]', "['a', null]"].map((a) => [
      a,
      type,
    ]),
    ['[]', value],
    ["['a\\0b']", value],
  ],
  "execve('/bin/true', ['true'], $)": [
    ...notOptions,
    ...['{ A: 1 }', '{ A: null }', '{ A: Symbol() }'].map((a) => [a, type]),
    ...["{ '': 'x' }", "{ 'A=B': 'x' }", "{ A: 'a\\0b' }", "{ 'A\\0': 'x' }"].map((a) => [
      a,
      value,
    ]),
  ],
  "execve('/bin/true', ['true'], {}, $)": [
    ...notOptions,
    ...['{ keep: 3 }', "{ keep: ['3'] }", '{ keep: [, 3] }'].map((a) => [a, type]),
    ['{ keep: [-1] }', range],
    ...["{ signals: 'none' }", '{ signals: 1 }', '{ kepe: [] }'].map((a) => [a, value]),
  ],
  "chroot('/', $)": [...notOptions, ['{ root: 1 }', value], ['{ chdir: 1 }', type]],
  ...privileged,
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
      'getppid,dup,dup2,dup3,close_range,close,fcntl,wait4,waitid,pidfd_open,chroot,chdir,' +
      'execve,stat,newfstatat,rt_sigaction,rt_sigprocmask,pidfd_send_signal,prctl,prlimit64,getrlimit,setrlimit,' +
      'setgroups,setresuid,setresgid,setuid,setgid,open,openat,socket';
    const ran = runScript(
      `const { dup, dup2, closefrom, closeRange, waitpid, waitpidAsync, _exit, chroot } = daemonkit;
      const { execve, resetSignals, ignoreSignals, signalMask, pidfdOpen, pidfdSendSignal } = daemonkit;
      const { setChildSubreaper, setParentDeathSignal, getrlimit, setrlimit } = daemonkit;
      const { setgroups, initgroups, setresuid, setresgid, dropPrivileges } = daemonkit;
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
    // glibc's free(3) asks the kernel once whether a thread's heap may shrink (malloc/arena.c).
    const heap = /^openat\(\w+, "\/proc\/sys\/vm\/overcommit_memory".* = (\d+)\nclose\(\1\) .*\n/gm;
    const lines = readFileSync(trace, 'utf8').replaceAll(heap, '').split('\n');
    // The package itself asks for its parent when it is loaded.
    const marks = lines.flatMap((line, i) => (line.startsWith('getppid(') ? [i] : [])).slice(-2);
    assert.equal(marks.length, 2);
    assert.deepEqual(lines.slice((marks[0] as number) + 1, marks[1]), []);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { needs, needsStrace } from './tools/needs.js';
import { linesOf, runScript } from './tools/script.js';

const empty = mkdtempSync(join(tmpdir(), 'daemonkit-fd-'));
after(() => rmSync(empty, { recursive: true }));

// All of it without the event loop, which some of the scripts take away.
const tools = `const { dup, dup2, getdtablesize, closefrom, closeRange, _exit } = daemonkit;
const MAX = 2 ** 32 - 1;
const isOpen = (fd) => { try { fs.fstatSync(fd); return true; } catch { return false; } };
const opened = (from) =>
  fs.readdirSync('/proc/self/fd').map(Number).filter((fd) => fd >= from && isOpen(fd))
    .sort((a, b) => a - b);
const place = (...fds) => fds.forEach((fd) => dup2(0, fd));
const cloexec = (fd) =>
  (parseInt(/flags:\\s*(\\d+)/.exec(fs.readFileSync('/proc/self/fdinfo/' + fd, 'utf8'))[1], 8)
    & 0o2000000) !== 0;
const caught = (f) => { try { return f(); } catch ({ code, errno, syscall }) {
  return [code, errno, syscall].join(' '); } };
// What this test run's own launcher may have leaked.
opened(100).forEach((fd) => fs.closeSync(fd));
const say = (value) => fs.writeSync(1, JSON.stringify(value) + '\\n');
`;

/** What a script said, line by line; it must end well. */
function said(source: string, options: Parameters<typeof linesOf>[1] = {}): unknown[] {
  return linesOf(tools + source, options);
}

/**
 * As `runScript()`, for calls that close the runtime's own descriptors. If V8 has a task for a
 * thread at that moment, libuv's uv_async_send() writes to a closed eventfd and aborts. This does
 * not depend on what was closed.
 */
function runBare(source: string): ReturnType<typeof runScript> {
  let outcome = runScript(tools + source);
  for (let tries = 0; outcome.signal === 'SIGABRT' && tries < 20; tries++) {
    outcome = runScript(tools + source);
  }
  return outcome;
}

test('dup: the lowest free number, the same open file, no close-on-exec', () => {
  const [fds, shared, flags, missing] = said(`
    const file = fs.openSync('/etc/passwd');
    const copy = dup(file);
    fs.readSync(file, Buffer.alloc(4));
    const first = Buffer.alloc(4);
    fs.readSync(copy, first);
    say([copy > file, isOpen(copy)]);
    say(first.toString() === fs.readFileSync('/etc/passwd', 'utf8').slice(4, 8));
    say([cloexec(file), cloexec(copy)]);
    say(caught(() => dup(900)));`);
  assert.deepEqual([fds, shared, flags], [[true, true], true, [true, false]]);
  assert.equal(missing, 'EBADF -9 dup');
});

test('dup: EMFILE when the table is full', needs('prlimit'), () => {
  const lines = said(
    `const have = [];
    const fill = () => { for (;;) have.push(dup(0)); };
    say(caught(fill));
    say(Math.max(...have) === getdtablesize() - 1);`,
    { via: ['prlimit', '--nofile=128:128'] },
  );
  assert.deepEqual(lines, ['EMFILE -24 dup', true]);
});

test('dup2: closes what was there, equal numbers change nothing, errors leave all open', () => {
  const lines = said(`
    const [a, b] = [fs.openSync('/etc/passwd'), fs.openSync('/dev/null')];
    say(dup2(a, b) === b && fs.fstatSync(b).ino === fs.statSync('/etc/passwd').ino);
    say([cloexec(a), cloexec(b)]);
    say(dup2(a, a) === a && cloexec(a));
    say(caught(() => dup2(900, b)));
    say(caught(() => dup2(900, 900)));
    say(caught(() => dup2(a, getdtablesize())));
    say(caught(() => dup2(a, 2 ** 31 - 1)));
    say(isOpen(a) && isOpen(b));`);
  const bad = 'EBADF -9 dup2';
  assert.deepEqual(lines, [true, [true, false], true, bad, bad, bad, bad, true]);
});

test('getdtablesize is the soft limit', needs('prlimit'), () => {
  const script = `say(getdtablesize());
    say(Number(/Max open files +(\\d+)/.exec(fs.readFileSync('/proc/self/limits', 'utf8'))[1]));`;
  assert.deepEqual(said(script, { via: ['prlimit', '--nofile=123:123'] }), [123, 123]);
  const [here, kernel] = said(script);
  assert.equal(here, kernel);
});

// After FreeBSD's tests of closefrom(2) and close_range(2), for each way there is to do it.
const methods = { any: 0, 'close_range(2)': 1, '/proc/self/fd': 2, 'the loop': 3 };
for (const [name, method] of Object.entries(methods)) {
  const force = `const range = (first, last, flag = false) =>
    native.closeRange(first, last, flag, ${method});`;

  test(`closing from a number up, by ${name}`, () => {
    const lines = said(`${force}
      place(100, 101, 102);
      say([range(103, MAX), opened(100)]);
      say([range(102, MAX), opened(100)]);
      say([range(102, MAX), opened(100)]);
      place(114, 117, 119, 200);
      say([range(115, MAX), opened(100)]);
      say([range(100, MAX), opened(100)]);
      say([range(5000, MAX), range(2 ** 31 - 1, MAX), range(MAX, MAX)]);`);
    assert.deepEqual(lines, [
      [0, [100, 101, 102]],
      [0, [100, 101]],
      [0, [100, 101]],
      [0, [100, 101, 114]],
      [0, []],
      [0, 0, 0],
    ]);
  });

  test(`closing a range, by ${name}`, () => {
    const lines = said(`${force}
      place(100, 101, 102, 104, 106, 109);
      say([range(101, 101), opened(100)]);
      say([range(103, 105), opened(100)]);
      say([range(103, 105), opened(100)]);
      say([range(106, 4000), opened(100)]);
      place(100, 101, 102, 104);
      say([range(99, 103), opened(100)]);`);
    assert.deepEqual(lines, [
      [0, [100, 102, 104, 106, 109]],
      [0, [100, 102, 106, 109]],
      [0, [100, 102, 106, 109]],
      [0, [100, 102]],
      [0, [104]],
    ]);
  });

  test(`marking a range close-on-exec, by ${name}`, () => {
    const lines = said(`${force}
      place(100, 101, 103, 104);
      say([range(101, 103, true), opened(100), opened(100).map(cloexec)]);
      say([range(101, MAX, true), opened(100).map(cloexec)]);`);
    assert.deepEqual(lines, [
      [0, [100, 101, 103, 104], [false, true, true, false]],
      [0, [false, true, true, true]],
    ]);
  });

  test(`closing everything, the runtime's descriptors too, by ${name}`, () => {
    const most = runBare(`${force} const result = range(2, MAX); const left = [0, 1].filter(isOpen);
      say([result, left, fs.readdirSync('/proc/self/fd').length]); _exit(0);`);
    // The three: 0, 1 and the directory that is being read.
    assert.deepEqual([most.status, most.stdout, most.stderr], [0, '[0,[0,1],3]\n', '']);
    const silent = runBare(`${force} _exit(range(0, MAX) === 0 ? 7 : 8);`);
    assert.deepEqual([silent.status, silent.stdout, silent.stderr], [7, '', '']);
  });
}

test('the public calls: closefrom, closeRange with and without cloexec', () => {
  const lines = said(`
    place(100, 101, 102, 103, 104);
    say([closeRange(101, 102) ?? null, opened(100)]);
    say([closeRange(103, MAX, { cloexec: true }) ?? null, opened(100).map(cloexec)]);
    say([closeRange(100, 100, { cloexec: false }) ?? null, opened(100)]);
    say([closefrom(104) ?? null, opened(100)]);
    closefrom(3);
    _exit(0);`);
  assert.deepEqual(lines, [
    [null, [100, 103, 104]],
    [null, [false, true, true]],
    [null, [103, 104]],
    [null, [103]],
  ]);
});

test(
  'the highest descriptor is reached, at a cost that does not grow with the limit',
  needsStrace,
  () => {
    const trace = join(empty, 'trace');
    const ways = `for (const method of [1, 2, 3]) {
      place(500, getdtablesize() - 1);
      say([native.closeRange(400, MAX, false, method), opened(400)]);
    }`;
    assert.deepEqual(said(ways), Array(3).fill([0, []]));
    // getppid(2) marks where the call begins and ends.
    const marked = `daemonkit.getppid(); closefrom(400); daemonkit.getppid();`;
    said(marked, { via: ['strace', '-o', trace, '-e', 'trace=desc,close_range,getppid'] });
    // V8's allocations are mmap(2) at any time with musl's malloc.
    const text = readFileSync(trace, 'utf8').replace(/^mmap\(.*\n/gm, '');
    assert.match(text, /getppid\(\) .*\nclose_range\(400, 4294967295, 0\) += 0\ngetppid\(\) /);
  },
);

test(
  'each way that is missing leads on to the next, and reports its error when forced',
  needs('root', 'strace', 'prlimit'),
  () => {
    // A low limit, as the loop is slow under strace.
    const noCall = [
      ...['prlimit', '--nofile=256:256'],
      ...['strace', '-o', '/dev/null', '-e', 'inject=close_range:error=ENOSYS'],
    ];
    // In an empty root there is no /proc; in the other an ordinary directory has its name.
    const fake = join(empty, 'fake');
    mkdirSync(join(fake, 'proc/self/fd'), { recursive: true });
    writeFileSync(join(fake, 'proc/self/fd/101'), '');
    const attempt = `place(100, 101);
    const forced = [1, 2].map((method) => native.closeRange(100, MAX, false, method));
    place(100, 101);
    const left = () => [100, 101].filter(isOpen);
    say([forced, native.closeRange(101, MAX, false, 0), left()]);`;
    const inRoot = (root: string) => `daemonkit.chroot(${JSON.stringify(root)}); ${attempt}`;
    assert.deepEqual(said(attempt, { via: noCall }), [[[-38, 0], 0, [100]]]);
    assert.deepEqual(said(inRoot(empty)), [[[0, -2], 0, [100]]]);
    assert.deepEqual(said(inRoot(fake)), [[[0, -2], 0, [100]]]);
    assert.deepEqual(said(inRoot(empty), { via: noCall }), [[[-38, -2], 0, [100]]]);
    const full = said(
      `for (;;) { try { dup(0); } catch { break; } }
    say([native.closeRange(40, MAX, false, 2), native.closeRange(40, MAX, false, 0), opened(40)]);`,
      { via: noCall },
    );
    assert.deepEqual(full, [[-24, 0, []]]);
  },
);

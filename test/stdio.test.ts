// redirectToNull() and redirect() with standard streams of every kind and in every state.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cleanEnvironment } from './tools/environment.js';
import { fixture } from './tools/run.js';
import { scratch } from './tools/scratch.js';
import { runScript } from './tools/script.js';

const STREAMS = fileURLToPath(new URL('../../test/tools/streams.py', import.meta.url));
const LOGGED = 'to stdout\nto stderr\nwritten\n';
const QUEUED = `${'x'.repeat(200_000)}\n${[0, 1, 2, 3, 4].map((i) => `line ${i}\n`).join('')}`;
/** Microseconds in half a second: a process that spins takes ten times as long. */
const IDLE = 60_000;

async function play(kind: string, states: string, directory: string) {
  mkdirSync(directory);
  const program = [process.execPath, fixture('stdio.js'), states, directory];
  const env = cleanEnvironment();
  const args = [STREAMS, kind, directory, ...program];
  const { stdout } = await promisify(execFile)('python3', args, { env, maxBuffer: 2 ** 24 });
  const text = (name: string) => {
    const path = join(directory, name);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  };
  const { output, ...rest } = JSON.parse(stdout) as {
    output: string;
    released: boolean | null;
    cooked: boolean | null;
    status: number;
  };
  const told = JSON.parse(text('told') || '{}') as { cpu?: number; written?: unknown[] };
  // A terminal gives "\r\n".
  return {
    ...rest,
    ...told,
    output: output.replaceAll('\r', ''),
    log: text('log'),
    notes: text('notes'),
  };
}

async function check(kind: string, states: string, directory: string): Promise<void> {
  const got = await play(kind, states, directory);
  const has = (state: string) => states.split('-').includes(state);
  const exits = has('exits');
  assert.deepEqual(
    { ...got, cpu: (got.cpu ?? 0) < IDLE ? 'idle' : got.cpu },
    {
      status: 0,
      cpu: 'idle',
      // The streams' last descriptors are gone while the process still runs.
      released: kind === 'file' ? null : exits ? got.released : true,
      cooked: kind === 'tty' ? true : null,
      output: has('queued') ? QUEUED : '',
      log: has('log') ? LOGGED : '',
      notes: has('reading') ? 'end\n' : '',
      ...(exits ? {} : { written: has('queued') ? Array(6).fill('written') : [] }),
    },
    `${kind} ${states}`,
  );
}

const STATES = [
  'untouched',
  'touched',
  'touched-reading',
  'reading-later',
  'touched-log',
  'touched-queued-log',
  'queued-later-log',
  'queued-log-exits',
];

for (const kind of ['tty', 'pipe', 'socket', 'file']) {
  test(`${kind}: released in every state, idle after, and what is printed goes on`, async (t) => {
    const directory = scratch(t);
    const states = kind === 'tty' ? [...STATES, 'raw', 'raw-reading-later'] : STATES;
    // Four at a time: each sleeps most of its time.
    for (let i = 0; i < states.length; i += 4) {
      const some = states.slice(i, i + 4);
      await Promise.all(some.map((state) => check(kind, state, join(directory, state))));
    }
  });
}

function said(t: TestContext, source: string, stdio?: 'ignore'): { log: string; stdout: string } {
  const log = join(scratch(t), 'log');
  const script = `const { redirect, redirectToNull, dup2 } = daemonkit; const log = ${JSON.stringify(log)};
    const target = (fd) => fs.readlinkSync('/proc/self/fd/' + fd);\n${source}`;
  const { status, stderr, stdout } = runScript(script, stdio === undefined ? {} : { stdio });
  assert.deepEqual([status, stderr ?? ''], [0, '']);
  return { log: existsSync(log) ? readFileSync(log, 'utf8') : '', stdout };
}

test('a pipe that nobody reads holds a redirection up for a second; the rest goes to the log', (t) => {
  const { stdout } = said(
    t,
    `import { spawn } from 'node:child_process';
    const program = "import { redirect } from " + JSON.stringify(${JSON.stringify(
      new URL('../lib/index.js', import.meta.url).href,
    )}) + "; process.stdout.write('x'.repeat(900_000) + '\\\\n'); const start = performance.now();" +
      "redirect(1, " + JSON.stringify(log) + "); console.log('after');" +
      "process.stderr.write(String(performance.now() - start));";
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.pause();
    const [milliseconds] = await new Promise((resolve) => child.stderr.on('data', (b) => resolve([Number(b)])));
    let length = 0;
    for await (const bytes of child.stdout) length += bytes.length;
    const rest = fs.readFileSync(log, 'utf8');
    console.log(JSON.stringify([milliseconds, length, length + rest.length, rest.endsWith('x\\nafter\\n')]));`,
  );
  const [milliseconds, taken, all, ends] = JSON.parse(stdout);
  assert.ok(milliseconds >= 900 && milliseconds < 30_000, `${milliseconds} ms`);
  assert.ok(taken < 900_000, `${taken} bytes were taken`);
  assert.deepEqual([all, ends], [900_001 + 'after\n'.length, true]);
});

test('some of the descriptors only, closed ones, and numbers above 2', (t) => {
  const { stdout } = said(
    t,
    `const file = fs.openSync('/etc/passwd');
    redirectToNull(0, file);
    fs.writeSync(1, [target(0), target(file), native.closeOnExec(0), native.closeOnExec(file)] + '\\n');
    fs.closeSync(0);
    redirectToNull(0, 70, 71);
    const open = fs.readdirSync('/proc/self/fd').length;
    fs.writeSync(1, [target(0), target(70), target(71)] + '\\n');
    redirect(2, log); redirectToNull(0); redirect([2], new URL('file://' + log));
    fs.writeSync(1, (fs.readdirSync('/proc/self/fd').length - open) + '\\n');`,
  );
  const nothing = '/dev/null';
  const lines = [`${nothing},${nothing},0,1`, `${nothing},${nothing},${nothing}`, '0', ''];
  assert.deepEqual(stdout.split('\n'), lines);
});

test('redirect appends, reopens, and changes nothing if the file cannot be opened', (t) => {
  const { log, stdout } = said(
    t,
    `fs.writeFileSync(log, 'before\\n');
    const redirection = redirect(2, log, { mode: 0o600 });
    console.error('one');
    fs.renameSync(log, log + '.1');
    console.error('two');
    redirection.reopen();
    console.error('three');
    const code = (f) => { try { f(); } catch ({ code, syscall, path }) { return [code, syscall, path === log + '/no'].join(); } };
    fs.writeSync(1, code(() => redirect([1, 2], log + '/no')) + '\\n');
    console.error('four');
    fs.writeSync(1, fs.readFileSync(log + '.1', 'utf8') + (fs.statSync(log).mode & 0o777).toString(8) + '\\n');
    fs.writeSync(1, [redirection.path === log, redirection.fds] + '\\n');`,
  );
  assert.equal(log, 'three\nfour\n');
  assert.equal(stdout, 'ENOTDIR,open,true\nbefore\none\ntwo\n600\ntrue,2\n');
});

test('wrong arguments, and what the event loop uses, are refused', (t) => {
  const { stdout } = said(
    t,
    `import net from 'node:net';
    const code = (f) => { try { f(); return 'none'; } catch ({ code }) { return code; } };
    const server = net.createServer().listen(0);
    const own = daemonkit.openDescriptors().find(({ type }) => type === 'epoll').fd;
    const calls = [() => redirectToNull(-1), () => redirectToNull('1'), () => redirectToNull(own),
      () => redirectToNull(server._handle.fd), () => redirect(0, log), () => redirect([1], ''),
      () => redirect(1, log, { mode: -1 }), () => redirect(1, log, { reopenOn: 'SIGKILL' }),
      () => redirect(1, log, { reopenOn: 'SIGRTMIN+1' }), () => redirect(1, log, { what: 1 }), () => redirectToNull(0, 2 ** 31 - 1),
      () => redirect([1, 2 ** 31 - 1], log)];
    const before = [0, 1].map(target);
    fs.writeSync(1, JSON.stringify([calls.map(code), fs.existsSync(log), [0, 1].map(target).join() === before.join()]));
    server.close();`,
  );
  const [type, value, range, bad] = ['TYPE', 'VALUE', 'RANGE', 'EBADF'];
  const short = {
    TYPE: 'ERR_INVALID_ARG_TYPE',
    VALUE: 'ERR_INVALID_ARG_VALUE',
    RANGE: 'ERR_OUT_OF_RANGE',
  };
  const expected = [range, type, value, value, range, value, range, value, value, value, bad, bad];
  assert.deepEqual(JSON.parse(stdout), [
    expected.map((word) => short[word as keyof typeof short] ?? word),
    false,
    true,
  ]);
});

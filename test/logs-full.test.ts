// A log without room: full disks, limits, FIFOs without readers. The server continues, and the log
// later reports the loss.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { Nest, until } from './tools/daemons.js';
import { needs } from './tools/needs.js';
import { status } from './tools/proc.js';
import { fixture } from './tools/run.js';
import { scratch } from './tools/scratch.js';
import { linesOf } from './tools/script.js';

/** test/fixtures/full.ts, a daemon that writes lines of a hundred bytes, and the way to its log. */
class Writer {
  readonly pid: number;
  readonly #said: string;

  constructor(
    readonly nest: Nest,
    log: string,
    via: string[] = [],
  ) {
    const pids = join(nest.directory, 'pids');
    mkdirSync(pids);
    const [command = '', ...args] = [...via, process.execPath, fixture('full.js'), pids, log];
    const { status, stderr } = spawnSync(command, args, { encoding: 'utf8', env: nest.env() });
    assert.deepEqual([status, stderr], [0, EARLY]);
    this.#said = `${pids}.said`;
    this.pid = Number(readFileSync(join(pids, 'd.pid'), 'utf8'));
  }

  /** How many lines it has tried to write. */
  get tried(): number {
    return Number(readFileSync(this.#said, 'utf8'));
  }

  /** Waits until it has tried to write more. */
  async goesOn(more = 40): Promise<void> {
    const before = this.tried;
    await until('it goes on', () => this.tried >= before + more);
  }

  /** Ends it; what is in the log and what that says is lost must be all that it has written. */
  async settle(text: () => string, why: string): Promise<void> {
    const reports = () => [...text().matchAll(LOST)];
    // Both streams write within four lines, and report before.
    const room = () => text().split(LOST).at(-1)?.length ?? 0;
    await until('both streams tell', () => reports().length >= 2 && room() > 1000);
    writeFileSync(this.#said.replace(/said$/, 'stop'), '');
    await until('it has ended', () => this.nest.processes().length === 0);
    assert.deepEqual([...new Set(reports().map(([, , code]) => code))], [why]);
    const lost = reports().reduce((sum, [, bytes]) => sum + Number(bytes), 0);
    const left = text().replace(LOST, '').length;
    const surplus = left + lost - EARLY.length - 100 * this.tried;
    // Half a line is ended before a report.
    assert.ok(surplus >= 0 && surplus <= reports().length, `${left} and ${lost} of ${this.tried}`);
    assert.ok(lost > 0);
  }
}

const EARLY = 'early words\n';
const LOST = /daemonkit: (\d+) bytes of log were lost: (\w+)\n/g;

test(
  'on a full disk the server goes on, and the log tells later what is lost',
  needs('root', 'unshare', 'mount'),
  async (t) => {
    const nest = new Nest(t);
    const disk = join(nest.directory, 'disk');
    mkdirSync(disk);
    const script =
      'mount -t tmpfs -o size=1028k none "$0" && head -c 1024k /dev/zero > "$0/taken" && exec "$@"';
    const writer = new Writer(nest, join(disk, 'd.log'), [
      'unshare',
      '-m',
      'sh',
      '-c',
      script,
      disk,
    ]);
    const there = (name: string) => `/proc/${writer.pid}/root${disk}/${name}`;
    await until('it is full', () => statSync(there('d.log')).size === 4096);
    await writer.goesOn();
    const copy = openSync(there('d.log'), 'r');
    t.after(() => closeSync(copy));
    rmSync(there('taken'));
    const text = () => {
      const bytes = Buffer.alloc(2 ** 21);
      return bytes.toString('latin1', 0, readSync(copy, bytes, 0, bytes.length, 0));
    };
    await writer.settle(text, 'ENOSPC');
  },
);

test('so it does at the limit of a file', needs('root', 'prlimit'), async (t) => {
  const nest = new Nest(t);
  const writer = new Writer(nest, nest.log);
  const limit = (bytes: number | string) =>
    execFileSync('prlimit', [`--fsize=${bytes}:unlimited`, '--pid', `${writer.pid}`]);
  const size = statSync(nest.log).size + 950;
  limit(size);
  await until('it is reached', () => statSync(nest.log).size >= size);
  await writer.goesOn();
  limit('unlimited');
  await writer.settle(() => nest.logged(), 'EFBIG');
});

test('a plan opens no FIFO: its reader sees no end', async (t) => {
  const fifo = join(scratch(t), 'fifo');
  execFileSync('mkfifo', [fifo]);
  const reader = spawn('cat', [fifo], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => reader.kill('SIGKILL'));
  const { pid = 0 } = reader;
  const sleeps = ({ Name, State }: Record<string, string>) => Name === 'cat' && State?.[0] === 'S';
  await until('it waits for a writer', () => sleeps(status(pid)));
  const plan = `fs.writeSync(1, JSON.stringify(daemonkit.planDaemon({ log: '${fifo}' })
    .find(({ step }) => step === 'stdio').precondition) + '\\n');`;
  assert.deepEqual(linesOf(plan), ['met']);
  // It fails with ENXIO without a reader.
  const writer = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
  writeSync(writer, 'written');
  closeSync(writer);
  assert.equal(await text(reader.stdout), 'written');
});

test('a FIFO is a log while somebody reads it; without a reader the server goes on', async (t) => {
  const nest = new Nest(t);
  execFileSync('mkfifo', [nest.log]);
  const open = () => openSync(nest.log, constants.O_RDONLY | constants.O_NONBLOCK);
  let reader = open();
  t.after(() => closeSync(reader));
  let logged = '';
  const bytes = Buffer.alloc(2 ** 16);
  const read = () => {
    try {
      for (;;) {
        const size = readSync(reader, bytes);
        if (size === 0) return logged;
        logged += bytes.toString('latin1', 0, size);
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      return logged;
    }
  };
  const writer = new Writer(nest, nest.log);
  await until('it is read', () => read().length > 1000);
  await until('it is full', () => writer.tried * 100 > logged.length + 2 ** 16 + 4000);
  await writer.goesOn();
  closeSync(reader);
  await writer.goesOn();
  reader = open();
  await writer.settle(read, 'EAGAIN');
});

test('what a log has lost is not told by a fork, and keeps no process alive', (t) => {
  const file = join(scratch(t), 'log');
  const lines = linesOf<string>(`const { dup2, fork, redirect, waitpid } = daemonkit;
    const out = daemonkit.dup(1);
    const say = (value) => fs.writeSync(out, JSON.stringify(value) + '\\n');
    redirect(1, '/dev/full');
    console.log('lost');
    const pid = fork();
    if (pid === 0) {
      dup2(fs.openSync(${JSON.stringify(file)}, 'a'), 1);
      console.log('of the fork');
    } else {
      say([waitpid(pid).exitCode, fs.readFileSync(${JSON.stringify(file)}, 'utf8')]);
      dup2(fs.openSync(${JSON.stringify(file)}, 'a'), 1);
      console.log('of the parent');
      dup2(fs.openSync('/dev/full', 'a'), 1);
      console.log('lost for good'); // and the process ends by itself
    }`);
  assert.deepEqual(lines, [[0, 'of the fork\n']]);
  const own = 'daemonkit: 5 bytes of log were lost: ENOSPC\nof the parent\n';
  assert.equal(readFileSync(file, 'utf8'), `of the fork\n${own}`);
});

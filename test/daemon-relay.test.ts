// The output of a daemon before it is ready, and a starter that does not read it: nothing waits for
// the reader.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { bothWays, type Nest, until } from './tools/daemons.js';
import { whenFull } from './tools/full.js';

/** As fixtures/daemon.ts has it: more than the pipe and the line to the launcher take. */
const SAID = 600_000;
const { O_NONBLOCK, O_RDWR } = constants;

/** A pipe that is read only by read(). */
function pipe(t: TestContext, nest: Nest, name: string): { fd: number; read: () => string } {
  const path = join(nest.directory, name);
  execFileSync('mkfifo', [path]);
  const fd = openSync(path, O_RDWR);
  // A separate open file, because the test examines the flags of the other.
  const reader = openSync(path, O_RDWR | O_NONBLOCK);
  t.after(() => [fd, reader].forEach(closeSync));
  const bytes = Buffer.alloc(1 << 20);
  const read = () => {
    let size = 0;
    try {
      for (;;) size += readSync(reader, bytes, size, bytes.length - size, null);
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN');
    }
    return bytes.toString('latin1', 0, size);
  };
  return { fd, read };
}

/** The flags of an open file, which all duplicates of its descriptor share. */
function blocks(fd: number): boolean {
  const flags = /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1];
  return (Number.parseInt(flags ?? '', 8) & O_NONBLOCK) === 0;
}

const logged = (nest: Nest) => statSync(nest.log, { throwIfNoEntry: false })?.size ?? 0;

bothWays(
  'a stuck reader: the log has all of it, the reader is told how much it misses',
  async (nest, t) => {
    const [input, output] = [pipe(t, nest, 'in'), pipe(t, nest, 'out')];
    let first = '';
    const meanwhile = async () => {
      await until('the log has it all', () => logged(nest) === SAID);
      first = output.read();
      process.kill(nest.pid(), 'SIGUSR1');
    };
    const stdio = [input.fd, output.fd, output.fd];
    const { code } = await nest.launch('talks', {}, { stdio, meanwhile });
    assert.equal(code, 0);
    const [, pre = '', lost] =
      /^([x\n]*)\ndaemonkit: (\d+) bytes were lost, because no process read them\nlate words\n$/.exec(
        first.replace(/^port \d+\n/, '') + output.read(),
      ) ?? [];
    assert.equal(pre.length + Number(lost), SAID);
    assert.deepEqual([input.fd, output.fd].map(blocks), [true, true], 'what the starter has left');
  },
);

bothWays(
  'a stuck reader holds up neither the time limit nor a signal',
  async (nest, t) => {
    const output = pipe(t, nest, 'out');
    const stdio = ['ignore', 'ignore', output.fd] as const;
    const { code } = await nest.fails('talks', { timeout: 1500 }, { stdio: [...stdio] });
    assert.equal(code, 1);
    const before = logged(nest);
    const meanwhile = async (launcher: { kill(signal: 'SIGTERM'): boolean }) => {
      await until('the daemon talks', () => logged(nest) > before);
      launcher.kill('SIGTERM');
    };
    output.read();
    const ended = await nest.fails('talks', {}, { stdio: [...stdio], meanwhile });
    assert.equal(ended.code, 143);
    assert.equal(blocks(output.fd), true);
  },
  {},
  whenFull,
);

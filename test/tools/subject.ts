// A Node process of its own that a test talks to from outside: by signals, and by what it prints.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { status } from './proc.js';
import { entry } from './script.js';
import './sweep.js';

const prelude = `import { SignalFlag } from ${JSON.stringify(entry)};
import * as daemonkit from ${JSON.stringify(entry)};
import fs from 'node:fs';
const say = (...words) => fs.writeSync(1, words.join(' ') + '\\n');
`;

/** For a subject's children, after each change of ids: they do not outlive it, whatever fails. */
export const guard = `daemonkit.setParentDeathSignal('SIGKILL');
  if (daemonkit.getppid() === 1) daemonkit._exit(1);`;

export interface Subject extends AsyncDisposable {
  pid: number;
  /** The next line of its stdout. */
  line(): Promise<string>;
  /** Its exit code or the name of the signal that killed it. */
  end(): Promise<number | string>;
}

/** Long after any of them should have ended; a hanging one then fails its test. */
const DEADLINE = 90_000;

/** Starts an ES module with `daemonkit`, `SignalFlag`, `fs` and `say()` in scope. */
export function subject(source: string): Subject {
  const child: ChildProcess = spawn(
    process.execPath,
    ['--input-type=module', '--eval', prelude + source],
    { stdio: ['ignore', 'pipe', 'inherit'], timeout: DEADLINE, killSignal: 'SIGKILL' },
  );
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const lines = createInterface(child.stdout as NodeJS.ReadableStream)[Symbol.asyncIterator]();
  return {
    pid: child.pid as number,
    async line() {
      const { value, done } = await lines.next();
      if (done) throw new Error(`the process printed no more and ended by ${await this.end()}`);
      return value;
    },
    async end() {
      const [code, signal] = await exited;
      return code ?? (signal as string);
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** What the kernel says of a signal's disposition in a process. */
export function disposition(number: number, pid = process.pid): 'caught' | 'ignored' | 'default' {
  const { SigCgt, SigIgn } = status(pid);
  const has = (mask?: string) => (BigInt(`0x${mask}`) >> BigInt(number - 1)) % 2n === 1n;
  return has(SigCgt) ? 'caught' : has(SigIgn) ? 'ignored' : 'default';
}

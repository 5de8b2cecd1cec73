// Scripts that look at their own descriptors, and a starter that leaks some into them.
import { fileURLToPath } from 'node:url';
import { linesOf, scriptCommand } from './script.js';

const LEAK = fileURLToPath(new URL('../../../test/tools/leak.py', import.meta.url));

/** A command that starts another with descriptors left open in it, `file=90` for one. */
export const leaking = (...what: string[]) => ['python3', LEAK, ...what, '--'];

/** An entry of openDescriptors(). */
export interface Entry {
  fd: number;
  target: string;
  type: string;
  cloexec: boolean;
  inherited: boolean;
  runtime: boolean;
}

/** What the scripts use: the calls under test, say(value) for a line of JSON, of(fd) for an entry. */
export const tools = `const { openDescriptors, closeInherited, dup2, fork, waitpid, _exit } = daemonkit;
const say = (value) => fs.writeSync(1, JSON.stringify(value) + '\\n');
const of = (fd) => openDescriptors().find((entry) => entry.fd === fd);
`;

/** An expression that runs a module in a Worker. */
export function worker(source: string): string {
  const text = scriptCommand(tools + source).at(-1) ?? '';
  const url = `data:text/javascript,${encodeURIComponent(text)}`;
  return `new Worker(new URL(${JSON.stringify(url)}))`;
}

/** The lines that a script with those has said. */
export function said<T>(source: string, options: Parameters<typeof linesOf>[1] = {}): T[] {
  return linesOf<T>(tools + source, options);
}

// Runs a piece of JavaScript in a Node process of its own, for calls that would end or maim ours.
import assert from 'node:assert/strict';
import { type SpawnSyncOptions, spawnSync } from 'node:child_process';
import { hung, left } from './doing.js';
import './sweep.js';

/** The package's entry and the bare addon, for an `import` in {@link runScript}'s source. */
export const entry = new URL('../../lib/index.js', import.meta.url).href;
export const nativeModule = new URL('../../lib/addon/native.js', import.meta.url).href;

export interface Outcome {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

const prelude = `import * as daemonkit from ${JSON.stringify(entry)};
import { native } from ${JSON.stringify(nativeModule)};
import fs from 'node:fs';
`;

/** The command that runs an ES module with `daemonkit`, `native` and `fs` in scope. */
export function scriptCommand(source: string, bare = false, node: string[] = []): string[] {
  return [
    process.execPath,
    ...node,
    '--input-type=module',
    '--eval',
    (bare ? '' : prelude) + source,
  ];
}

/**
 * Runs such a module to its end; `via` is a command that starts it, `args` its `process.argv`; `bare`
 * leaves the imports to it, `node` are further options of Node.
 */
export function runScript(
  source: string,
  options: SpawnSyncOptions & {
    via?: string[];
    args?: string[];
    bare?: boolean;
    node?: string[];
  } = {},
) {
  const { via = [], args: more = [], bare, node, timeout = 30_000, ...rest } = options;
  const [command = '', ...args] = [...via, ...scriptCommand(source, bare, node), ...more];
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, {
    timeout,
    killSignal: 'SIGKILL',
    stdio: ['ignore', 'pipe', 'pipe'],
    ...rest,
    encoding: 'utf8',
  });
  if ((error as NodeJS.ErrnoException)?.code === 'ETIMEDOUT') {
    throw new Error(hung(timeout, left(), { stdout: stdout ?? '', stderr: stderr ?? '' }), {
      cause: error,
    });
  }
  if (error !== undefined) throw error;
  return { status, signal, stdout, stderr } satisfies Outcome;
}

/** The lines of JSON that such a module printed; it must end well and have nothing to complain of. */
export function linesOf<T>(source: string, options: Parameters<typeof runScript>[1] = {}): T[] {
  const { status, signal, stdout, stderr } = runScript(source, options);
  assert.deepEqual([status, signal, stderr], [0, null, '']);
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

// Runs a piece of JavaScript in a Node process of its own, for calls that would end or maim ours.
import { type SpawnSyncOptions, spawnSync } from 'node:child_process';

/** The package's entry and the bare addon, for an `import` in {@link runScript}'s source. */
export const entry = new URL('../../lib/index.js', import.meta.url).href;
export const nativeModule = new URL('../../lib/native.js', import.meta.url).href;

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

/** Runs an ES module, with `daemonkit`, `native` and `fs` in scope, to its end. */
export function runScript(source: string, options: SpawnSyncOptions & { via?: string[] } = {}) {
  const { via = [], ...rest } = options;
  const command = [...via, process.execPath, '--input-type=module', '--eval', prelude + source];
  const { status, signal, stdout, stderr, error } = spawnSync(
    command[0] as string,
    command.slice(1),
    {
      timeout: 30_000,
      killSignal: 'SIGKILL',
      stdio: ['ignore', 'pipe', 'pipe'],
      ...rest,
      encoding: 'utf8',
    },
  );
  if (error !== undefined) throw error;
  return { status, signal, stdout: stdout ?? '', stderr: stderr ?? '' } satisfies Outcome;
}

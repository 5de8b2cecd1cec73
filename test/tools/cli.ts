// Runs the command `daemonkit` from outside, on applications that a test writes.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Nest } from './daemons.js';
import { collect } from './output.js';
import { entry } from './script.js';

const PROGRAM = fileURLToPath(new URL('../../lib/cli/bin.js', import.meta.url));

export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface CliOptions {
  /** A command that gets ours as further arguments. */
  under?: string[];
  env?: NodeJS.ProcessEnv;
}

/** The command line of `daemonkit ARGS`. */
const cliCommand = (args: readonly string[]) => [process.execPath, PROGRAM, ...args];

/**
 * Runs `daemonkit ARGS` in the nest's directory, until it and all processes with its pipes have
 * ended.
 */
export async function daemonkit(nest: Nest, args: readonly string[], options: CliOptions = {}) {
  const [file = '', ...rest] = [...(options.under ?? []), ...cliCommand(args)];
  const child = spawn(file, rest, {
    cwd: nest.directory,
    env: nest.env(options.env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = collect(child);
  return new Promise<Ran>((resolve, reject) => {
    child.on('error', reject).on('close', (code) => resolve({ code, ...output }));
  });
}

/** Runs `daemonkit start` or `restart`, which must do it and say so; gives the daemon's pid. */
export async function starts(
  nest: Nest,
  args: readonly string[],
  options: CliOptions & { stderr?: string } = {},
): Promise<number> {
  const { code, stdout, stderr } = await daemonkit(nest, args, options);
  assert.deepEqual([code, stderr], [0, options.stderr ?? '']);
  const words = /^(?:re)?started \S+: process (\d+)(?: \(was \d+\))?, pidfile (.*)\n$/;
  const [, pid, file = ''] = words.exec(stdout) ?? [];
  assert.equal(readFileSync(file, 'utf8'), `${pid}\n`, stdout);
  return Number(pid);
}

/** Writes an application; in an ES module `daemonkit` is in scope. It runs until it is ended. */
export function writeApp(nest: Nest, name: string, source: string): string {
  const path = join(nest.directory, name);
  const esm = name.endsWith('.mjs') ? `import * as daemonkit from ${JSON.stringify(entry)};\n` : '';
  writeFileSync(path, `${esm}setInterval(() => {}, 60_000);\n${source}\n`);
  return path;
}

// The tests skip, with the reason, if a program is missing: a test file that runs a program
// declares it.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { needs, PACKAGES } from './tools/needs.js';

const SOURCES = fileURLToPath(new URL('../../test', import.meta.url));

/** Names in tools/needs.ts that stand for programs, and the programs that bring others along. */
const ALIASES: Record<string, string[]> = {
  logrotate: ['needsLogrotate'],
  strace: ['needsStrace', 'needsRootAndStrace'],
  unshare: ['needsContainer'],
  nsenter: ['needsContainer'],
  'systemd-analyze': ['needsSystemd'],
  'systemd-notify': ['needsSystemd'],
  'systemd-socket-activate': ['needsSystemd'],
};

const ASKING = /\bneeds\([^)]*\)|\btools = \[[^\]]*\]/g;

/**
 * Whether a source runs a program: as a separate word, at the beginning of a string or of a command
 * in it.
 */
function runs(source: string, program: string): boolean {
  const word = program.replaceAll('+', '\\+');
  return new RegExp(`(?:['"\`]|[;&|(] ?)${word}(?:['"\`]| -{1,2}\\w| \\$)`).test(source);
}

function asks(source: string, program: string): boolean {
  const calls = source.match(ASKING) ?? [];
  const names = ALIASES[program] ?? [];
  return (
    calls.some((given) => given.includes(`'${program}'`)) ||
    names.some((name) => source.includes(name))
  );
}

test('each test file asks for the programs that it runs', () => {
  const files = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.test\.ts$/.test(name),
  );
  const silent = files.flatMap((name) => {
    const text = readFileSync(join(SOURCES, name), 'utf8');
    // A call may be named by an error.
    const source = text.replaceAll(ASKING, '').replaceAll(/syscall: '\w+'|, flock '/g, '');
    return Object.keys(PACKAGES)
      .filter((program) => runs(source, program) && !asks(text, program))
      .map((program) => `${name}: ${program}`);
  });
  assert.deepEqual(silent, []);
});

test('what is missing is told, with its Debian package', (t) => {
  const saved = process.env.PATH;
  t.after(() => {
    process.env.PATH = saved;
  });
  process.env.PATH = '/nonexistent';
  assert.deepEqual(needs('ps'), { skip: 'needs ps (Debian package procps)' });
  assert.throws(() => needs('no-such-program'), /not in PACKAGES/);
});

// What TypeScript must accept of a program that uses the package, and what it must refuse: one run of tsc over
// a module for each snippet, against the declarations that are published.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { accepted, refused } from './tools/snippets.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');

/** Names that a snippet can use; what it is about is the package alone. */
const PRELUDE = `
import * as daemonkit from 'daemonkit';
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
declare function expectType<T>(): <U>(value: U) => Equal<T, U>;
`;

/** With what the strictest of programs would be compiled. */
const OPTIONS = {
  target: 'es2023',
  module: 'nodenext',
  lib: ['es2023', 'esnext.disposable'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: false,
  noEmit: true,
  types: ['node'],
  typeRoots: [join(root, 'node_modules', '@types')],
  paths: { daemonkit: [join(root, 'dist', 'lib', 'index.d.ts')] },
};

/** One line of tsc's about one of the snippets. */
interface Diagnostic {
  code: number;
  message: string;
}

describe('types', () => {
  const directory = mkdtempSync(join(tmpdir(), 'daemonkit-types-'));
  const found = new Map<string, Diagnostic[]>();

  before(() => {
    const write = (name: string, text: string) => writeFileSync(join(directory, name), text);
    write('package.json', '{ "type": "module" }');
    write('tsconfig.json', JSON.stringify({ compilerOptions: OPTIONS, include: ['*.ts'] }));
    accepted.forEach((snippet, at) => void write(`accepted-${at}.ts`, moduleOf(snippet)));
    refused.forEach(([snippet], at) => void write(`refused-${at}.ts`, moduleOf(snippet)));
    const ran = spawnSync(process.execPath, [tsc, '-p', directory, '--pretty', 'false'], {
      cwd: directory,
      encoding: 'utf8',
    });
    assert.equal(ran.stderr, '');
    const stray: string[] = [];
    for (const line of ran.stdout.split('\n').filter((text) => /^\S/.test(text))) {
      const [, file, code, message = ''] =
        /^(\w+-\d+)\.ts\(\d+,\d+\): error TS(\d+): (.*)$/.exec(line) ?? [];
      if (file === undefined) stray.push(line);
      else found.set(file, [...(found.get(file) ?? []), { code: Number(code), message }]);
    }
    // Such as errors in the declarations themselves.
    assert.deepEqual(stray, []);
  });

  after(() => rmSync(directory, { recursive: true, force: true }));

  const moduleOf = (snippet: string) =>
    `${PRELUDE}\nexport async function snippet() {\n${snippet}\n}\n`;

  test('what must compile does', () => {
    const failed = accepted.flatMap((snippet, at) =>
      (found.get(`accepted-${at}`) ?? []).map(({ message }) => `${snippet}\n  ${message}`),
    );
    assert.deepEqual(failed, []);
  });

  test('what must not compile does not, and for the reason that is meant', () => {
    const told = (at: number) => (found.get(`refused-${at}`) ?? []).map(({ code }) => code);
    assert.deepEqual(
      refused.map(([snippet], at) => [snippet, ...told(at)]),
      refused,
    );
  });
});

// prebuilds/make/fetch.mjs: what several ask for at once is fetched once, and whole or not at all.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { until } from './tools/daemons.js';
import { cleanEnvironment } from './tools/environment.js';
import { scratch } from './tools/scratch.js';

const MODULE = new URL('../../prebuilds/make/fetch.mjs', import.meta.url).href;

/** Requests `place` in a separate process; `body` is the code that would fetch it. */
function fetching(t: TestContext, directory: string, body: string, anew = false) {
  const source = `import fs from 'node:fs'; import { fetchOnce } from '${MODULE}';
    const [directory] = process.argv.slice(1);
    const say = (word) => fs.appendFileSync(directory + '/said', word + '\\n');
    console.log(fetchOnce(directory + '/cache/place', 'proof', (fresh) => { ${body} }, ${anew}));`;
  const args = ['--input-type=module', '-e', source, directory];
  const child = spawn(process.execPath, args, { env: cleanEnvironment(), stdio: 'pipe' });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

test('of four that ask at once one fetches, and what a killed one has left is removed', async (t) => {
  const directory = scratch(t);
  const cache = join(directory, 'cache');
  const killed = fetching(
    t,
    directory,
    `fs.writeFileSync(fresh + '/half', ''); for (;;) fs.existsSync('/');`,
  );
  const halves = () => readdirSync(cache).filter((name) => name.startsWith('.fetch-'));
  await until('a half', () => existsSync(cache) && halves().length === 1);
  const others = Array.from({ length: 4 }, () =>
    fetching(t, directory, `say(process.pid); fs.writeFileSync(fresh + '/proof', 'whole');`),
  );
  const answers = others.map((child) => text(child.stdout));
  killed.kill('SIGKILL');
  const place = join(cache, 'place');
  assert.deepEqual(await Promise.all(answers), Array(4).fill(`${place}\n`));
  assert.match(readFileSync(join(directory, 'said'), 'utf8'), /^\d+\n$/);
  assert.deepEqual(readdirSync(cache).sort(), ['.lock', 'place']);
  assert.deepEqual(readdirSync(place), ['proof']);
});

test('a fetch that fails leaves nothing, and the old one', async (t) => {
  const directory = scratch(t);
  const place = join(directory, 'cache/place');
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, 'proof'), 'old');
  for (const [body, words] of [
    ["fs.writeFileSync(fresh + '/else', '');", /what was fetched has no proof/],
    ["throw new Error('no network');", /no network/],
  ] as const) {
    const child = fetching(t, directory, body, true);
    const said = text(child.stderr);
    assert.deepEqual(await once(child, 'exit'), [1, null]);
    assert.match(await said, words);
    assert.deepEqual(readdirSync(join(directory, 'cache')).sort(), ['.lock', 'place']);
    assert.equal(readFileSync(join(place, 'proof'), 'utf8'), 'old');
  }
});

// Several starts at once: exactly one has the pidfile.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Nest } from './tools/daemons.js';
import { succeeds } from './tools/run.js';
import { scratch } from './tools/scratch.js';

test('four processes fight a hundred rounds: never do two of them have the file', async (t) => {
  const path = join(scratch(t), 'd.pid');
  const fighters = Array.from({ length: 4 }, () => succeeds('pidfile-race.js', [path, '100', '4']));
  const outcomes = (await Promise.all(fighters)).map((line) => JSON.parse(line));
  const total = (how: string) => outcomes.reduce((sum, one) => sum + (one[how] ?? 0), 0);
  const rounds = readdirSync(join(path, '..')).filter((name) => /round/.test(name));
  assert.equal(rounds.length, 100, JSON.stringify(outcomes));
  assert.ok(total('won') >= 100, JSON.stringify(outcomes));
  assert.ok(total('EEXIST') + total('EAGAIN') > 0, 'nobody met anybody');
});

test('of three daemons that start at once, one starts, the others say who', async (t) => {
  const nest = new Nest(t);
  // One that was killed has left its number, which counts until the next has emptied the file.
  let last = 0;
  for (let round = 0; round < 4; round++) {
    const all = await Promise.all(Array.from({ length: 3 }, () => nest.launch('serve')));
    const started = all.filter(({ code }) => code === 0);
    const said = all.map(({ stderr }) => stderr).join('');
    assert.equal(started.length, 1, said);
    const pid = nest.pid();
    assert.deepEqual(nest.processes(), [pid]);
    const rivals = new RegExp(
      `EEXIST: already running as process (${pid}|${last}),|EAGAIN: locked by`,
    );
    for (const { code, stderr } of all) if (code !== 0) assert.match(stderr, rivals);
    last = pid;
    await nest.end(pid, round % 2 === 0 ? 'SIGTERM' : 'SIGKILL');
  }
});

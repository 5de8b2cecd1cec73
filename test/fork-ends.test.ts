// A child ends as a process does: by exit, by itself, by an error, by a signal.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { needs } from './tools/needs.js';
import { type RunOptions, run, succeeds } from './tools/run.js';

type Ending = { exitCode: number | null; signal: string | null };

async function ending(scenario: string, options?: RunOptions): Promise<Ending> {
  return JSON.parse(await succeeds('ends.js', [scenario], options));
}

const exits: Record<string, number> = {
  exit0: 0,
  exit7: 7,
  exit255: 255,
  exitLater: 9,
  bareExit: 11,
  natural: 0,
  naturalWithCode: 6,
  caught: 12,
  terminated: 15,
  withServer: 0,
};

for (const [scenario, exitCode] of Object.entries(exits)) {
  test(`${scenario}: exit code ${exitCode}`, async () => {
    assert.deepEqual(await ending(scenario), { exitCode, signal: null });
  });
}

for (const [scenario, words] of Object.entries({
  uncaughtAtOnce: 'thrown by the child',
  uncaughtInTimer: 'thrown in a timer of the child',
  rejection: 'rejected in the child',
})) {
  test(`${scenario}: exit code 1 and the error on stderr, not a crash`, async () => {
    const { code, stdout, stderr, survivors } = await run('ends.js', [scenario]);
    assert.deepEqual({ code, survivors }, { code: 0, survivors: [] }, stderr);
    assert.deepEqual(JSON.parse(stdout), { exitCode: 1, signal: null }, stderr);
    assert.equal(stderr.split(`Error: ${words}`).length, 2, stderr);
  });
}

for (const [scenario, signal] of Object.entries({ abort: 'SIGABRT', killed: 'SIGKILL' })) {
  test(`${scenario}: ended by ${signal}`, needs('prlimit'), async () => {
    const { stdout, code } = await run('ends.js', [scenario], { under: ['prlimit', '--core=0'] });
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(stdout), { exitCode: null, signal });
  });
}

for (const scenario of ['stdin', 'stdinTouchedBefore']) {
  test(`${scenario}: a child reads its standard input to the end`, async () => {
    const meanwhile: RunOptions['meanwhile'] = ({ stdin }) => void stdin?.end('for the child');
    assert.deepEqual(await ending(scenario, { meanwhile }), { exitCode: 3, signal: null });
  });
}

test('the exit event comes once in each process', async () => {
  const lines = await succeeds('ends.js', ['natural'], { env: { TELL_EXIT: '1' } });
  assert.equal(lines, 'exit event 0\n{"exitCode":0,"signal":null}\nexit event 0\n');
});

test('a child that ends naturally has written all of its output', async () => {
  const output = await succeeds('ends.js', ['bigOutput']);
  assert.equal(output.match(/^x+/)?.[0].length, 3_000_000);
});

test('an inherited IPC channel stays open for the parent and does not hold the child', async () => {
  const [first, second, code] = JSON.parse(await succeeds('ends.js', ['channel']));
  assert.deepEqual(first, { exitCode: 0, connected: true });
  assert.deepEqual([second, code], ['still there?', 0]);
});

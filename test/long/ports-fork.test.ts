// cpp/fork without Node, on every processor and C library that it is made for: threads that wait,
// poll, lock, allocate and compute go on in parent, child and grandchild; and, under an emulator,
// which has no threads of a child to rebuild, the parts it is made of. What each checks is told in
// test/native/fork.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { whatFailed } from '../tools/failures.js';
import { arm64Emulator, buildHost, type Machine, machines } from '../tools/fork-host.js';
import { needs } from '../tools/needs.js';
import { processGroup } from '../tools/proc.js';

const folder = mkdtempSync(join(tmpdir(), 'daemonkit-host-'));
after(() => rmSync(folder, { recursive: true }));

const forks = 40;

async function built(name: string, machine: Machine): Promise<string> {
  const program = join(folder, name);
  await buildHost(machine, program);
  return program;
}

/** Runs a program in a separate process group, of which nothing is left afterwards. */
async function output(command: string, ...args: string[]): Promise<{ code: number; text: string }> {
  // Its many busy threads would take the processors from the test file that runs in parallel.
  const child = spawn('nice', ['-n', '10', command, ...args], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const pgid = child.pid;
  assert.ok(pgid, `${command} does not start`);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
  }
  const timer = setTimeout(() => process.kill(-pgid, 'SIGKILL'), 300_000);
  try {
    const code = await new Promise<number>((resolve, reject) => {
      child.on('error', reject).on('close', (status) => resolve(status ?? -1));
    });
    assert.deepEqual(processGroup(pgid), [], whatFailed(text));
    return { code, text };
  } finally {
    clearTimeout(timer);
    if (processGroup(pgid).length > 0) process.kill(-pgid, 'SIGKILL');
  }
}

/** On x86-64, 23 more read the number of a call from the code before it. */
const UNITS = { x64: 46, arm64: 23 };

async function passesUnits(of: number, ...command: [string, ...string[]]): Promise<void> {
  const { code, text } = await output(...command, 'units');
  assert.equal(code, 0, whatFailed(text));
  assert.deepEqual(
    [text.match(/^ok /gm)?.length, text.match(/^1\.\.\d+$/m)?.[0]],
    [of, `1..${of}`],
  );
}

async function forksAgainAndAgain(...command: [string, ...string[]]): Promise<void> {
  const { code, text } = await output(...command, `${forks}`);
  assert.equal(code, 0, whatFailed(text));
  const { live, forks: made } = JSON.parse(text) as { live: boolean; forks: number };
  assert.deepEqual({ live, made }, { live: true, made: forks });
}

test(`glibc, ${process.arch}: the parts, and ${forks} forks`, async () => {
  const host = await built('glibc', machines.glibc);
  await passesUnits(UNITS[process.arch as keyof typeof UNITS], host);
  await forksAgainAndAgain(host);
});

test(`musl, ${process.arch}: the parts, and ${forks} forks`, needs('musl-gcc'), async () => {
  const host = await built('musl', machines.musl);
  await passesUnits(UNITS[process.arch as keyof typeof UNITS], host);
  await forksAgainAndAgain(host);
});

const needsArm64 = needs('aarch64-linux-gnu-g++', arm64Emulator);
test('arm64, emulated: the parts; fork() says that it cannot', needsArm64, async () => {
  const host = await built('arm64', machines.arm64);
  await passesUnits(UNITS.arm64, arm64Emulator, host);
  const { code, text } = await output(arm64Emulator, host, '1');
  const { live, reason } = JSON.parse(text) as { live: boolean; reason: string };
  assert.deepEqual({ code, live }, { code: 2, live: false }, text);
  assert.match(reason, /PR_GET_TID_ADDRESS/);
});

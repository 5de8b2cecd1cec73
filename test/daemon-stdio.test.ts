// The standard streams of a daemon, and the terminal that it leaves.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ask, bothWays, Nest, until } from './tools/daemons.js';
import { needs } from './tools/needs.js';
import { descriptors, stat } from './tools/proc.js';

const TERMINAL = fileURLToPath(new URL('../../test/tools/terminal.py', import.meta.url));

/** Processor time that a process uses during the call, in hundredths of a second. */
async function cpuTicks(pid: number, milliseconds: number): Promise<number> {
  const used = () => Number(stat(pid)[11]) + Number(stat(pid)[12]);
  const before = used();
  await sleep(milliseconds);
  return used() - before;
}

bothWays('console and process.stdout go to the log, which is appended to', async (nest) => {
  writeFileSync(nest.log, 'of yesterday\n');
  const { pid, port } = await nest.start('serve');
  await ask(port, '/log');
  assert.equal(nest.logged(), 'of yesterday\nto stdout\nto stderr\nwritten to process.stdout\n');
  await nest.end(pid);
});

test('standard output and error can have a file each, or none', async (t) => {
  const nest = new Nest(t);
  const stderr = `${nest.directory}/err.log`;
  const first = await nest.start('serve', { stderr });
  await ask(first.port, '/log');
  assert.equal(nest.logged(), 'to stdout\nwritten to process.stdout\n');
  assert.equal(readFileSync(stderr, 'utf8'), 'to stderr\n');
  await nest.end(first.pid);

  const { log: _, ...bare } = JSON.parse(nest.command('serve')[3] ?? '{}');
  const second = await nest.start('serve', { ...bare, log: undefined });
  await ask(second.port, '/log');
  const table = descriptors(second.pid);
  assert.deepEqual([table[0], table[1], table[2]], Array(3).fill('/dev/null'));
});

bothWays('it starts with the standard descriptors closed', async (nest) => {
  const under = ['sh', '-c', 'exec "$@" <&- >&- 2>&-', 'sh'];
  const { pid } = await nest.start('serve', {}, { under });
  const table = descriptors(pid);
  assert.deepEqual([table[0], table[1], table[2]], ['/dev/null', nest.log, nest.log]);
});

test(
  'pipes that were its standard streams are given up, even one that it was reading',
  needs('bash'),
  async (t) => {
    const nest = new Nest(t);
    // The shell's pipes: those of child_process are socket pairs.
    const under = ['bash', '-c', '"$@" < <(exec sleep 60 2>&-) | cat', 'bash'];
    const { port } = await nest.launch(
      'reads',
      {},
      {
        under,
        stdio: ['ignore', 'pipe', 'inherit'],
        meanwhile: async () => {
          await until('the pidfile is written', () => existsSync(nest.pidfile) && nest.pid() > 0);
          const pid = nest.pid();
          await until('it has left the pipes', () => {
            const targets = Object.values(descriptors(pid)).filter((name) =>
              name.startsWith('pipe:'),
            );
            return targets.every((name) => targets.filter((other) => other === name).length === 2);
          });
        },
      },
    );
    const pid = nest.pid();
    assert.equal((await ask(port)).stdinEnded, true);
    assert.ok((await cpuTicks(pid, 500)) <= 5, 'it spins');
  },
);

bothWays('$(...) around the launcher ends with it', async (nest) => {
  const script = 'said=$("$@" 2>&1); echo "$? $said"';
  const { code, stdout } = await nest.launch('serve', {}, { under: ['sh', '-c', script, 'sh'] });
  assert.equal(code, 0);
  assert.match(stdout, /^0 port \d+\n$/);
  assert.equal(nest.processes().length, 1);
});

/** A shell on a terminal of its own, in which the launcher runs; hangUp() takes the terminal away. */
async function onTerminal(t: TestContext, nest: Nest, scenario: string, typed = '') {
  const shell = 'trap : INT; "$@"; echo "launcher: $?"; stty -a; echo end; read line';
  const args = [TERMINAL, 'sh', '-c', shell, 'sh', ...nest.command(scenario)];
  const terminal = spawn('python3', args, { env: nest.env(), stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => terminal.kill('SIGKILL'));
  let output = '';
  terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  if (typed !== '') {
    await until('the daemon runs', () => existsSync(nest.pidfile) && nest.pid() > 0);
    terminal.stdin.write(typed);
  }
  await until('the launcher has ended', () => /^end\r$/m.test(output));
  const hangUp = async () => {
    const exit = once(terminal, 'exit');
    terminal.stdin.end();
    await exit;
  };
  return { output, hangUp, port: Number(/port (\d+)/.exec(output)?.[1]) };
}

for (const [strategy, scenario] of [
  ['fork', 'serve'],
  ['fork', 'tty'],
  ['reexec', 'serve'],
] as const) {
  const what = 'nothing of the terminal is left, and it serves after a hang-up';
  test(`${strategy}, ${scenario}: ${what}`, async (t) => {
    const nest = new Nest(t, strategy);
    const { output, hangUp, port } = await onTerminal(t, nest, scenario);
    assert.match(output, /launcher: 0/);
    const pid = nest.pid();
    const before = await ask(port);
    assert.equal(before.pid, pid);
    assert.match(output, / icanon /, 'the terminal is as it was');
    const targets = Object.values(descriptors(pid));
    assert.deepEqual(
      targets.filter((target) => /^\/dev\/(pts|tty)/.test(target)),
      [],
    );
    await hangUp();
    assert.deepEqual(nest.processes(), [pid]);
    assert.equal((await ask(port, '/log')).pid, pid);
    const words = 'to stdout\nto stderr\nwritten to process.stdout\n';
    const stdinEnded = scenario === 'tty' ? 'stdin ended\n' : '';
    assert.equal(nest.logged(), stdinEnded + words);
    assert.ok((await cpuTicks(pid, 500)) <= 5, 'it spins');
    process.kill(pid, 'SIGWINCH');
    assert.equal((await ask(port)).pid, pid);
    await nest.end(pid);
  });
}

bothWays('^C on a raw terminal ends launcher and daemon', async (nest, t) => {
  const { output, hangUp } = await onTerminal(t, nest, 'hangsRaw', '\x03');
  assert.match(output, /SIGINT ended the launcher before the daemon was ready/);
  assert.match(output, /launcher: 130/);
  assert.match(output, / icanon /);
  await hangUp();
  assert.deepEqual(nest.processes(), []);
  assert.equal(existsSync(nest.pidfile), false);
});

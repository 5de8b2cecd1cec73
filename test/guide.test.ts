// docs/tutorial.md: its programs are those of examples/, and its commands print what it says.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Nest, until } from './tools/daemons.js';
import { needs } from './tools/needs.js';
import { freePort } from './tools/port.js';
import { adopter, stat } from './tools/proc.js';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const GUIDE = readFileSync(path('../../docs/tutorial.md'), 'utf8');
const SOURCES = path('../../examples/recipe-17.17');
const PROGRAMS = path('../examples/recipe-17.17');
const CLI = path('../lib/cli/bin.js');

const blocks = (text: string, language: string) =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(
    ([, block = '']) => block,
  );

/** Commands, each with what it prints. */
const commandsOf = (block: string) =>
  block.match(/^\$ .*\n(?:(?!\$ ).*\n)*/gm)?.map((text) => {
    const [line = '', ...output] = text.trimEnd().split('\n');
    return { command: line.slice(2), output };
  }) ?? [];

// The guide shows a machine where process 1 takes the orphans.
const orphan = new RegExp(`^ *${adopter()} \\?`);

/** What is the same in every run: no stack, no pid, no date, no width of a column. */
const settled = (lines: readonly string[]) =>
  lines
    .map((line) => line.replace(orphan, '1 ?'))
    .map((line) => line.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'DATE').replaceAll(/\d{3,}/g, 'N'))
    .map((line) => line.replaceAll(/[ \t]+/g, ' ').trim())
    .filter((line) => line !== '' && !line.startsWith('at '));

test('the programs of the guide are those of examples/', () => {
  const files = readdirSync(SOURCES).map((name) => readFileSync(join(SOURCES, name), 'utf8'));
  assert.deepEqual(blocks(GUIDE, 'ts').sort(), files.sort());
});

/** The place where one section's commands are run, and its words for the guide's. */
class Place {
  readonly #words: [guide: string, here: string][];
  readonly #env: NodeJS.ProcessEnv;

  constructor(
    readonly nest: Nest,
    port: number,
  ) {
    const root = join(nest.directory, 'root');
    const pidfile = join(nest.directory, 'hello.pid');
    mkdirSync(root);
    // For the account; mkdtemp(3) makes directories for their owner alone.
    for (const directory of [nest.directory, root]) chmodSync(directory, 0o755);
    this.#words = [
      ['/run/hello.pid', pidfile],
      ['/var/log/hello.log', nest.log],
      ['/srv/hello', root],
      ['127.0.0.1:8080', `127.0.0.1:${port}`],
      ['-o hello', '-o nobody'],
    ];
    const command = join(nest.directory, 'daemonkit');
    writeFileSync(command, `#!/bin/sh\nexec node ${CLI} "$@"\n`, { mode: 0o755 });
    this.#env = nest.env({
      PATH: `${dirname(process.execPath)}:${nest.directory}:${process.env.PATH}`,
      LC_ALL: 'C',
      PORT: `${port}`,
      ROOT: root,
      PIDFILE: pidfile,
      LOG: nest.log,
      ACCOUNT: 'nobody',
    });
  }

  /** Runs a block as one script; returns the lines that each of its commands has printed. */
  run(commands: readonly string[]): string[][] {
    const mark = '-- next --';
    const script = commands.map((command) => `${command}\necho '${mark}'`).join('\n');
    const { stdout, error } = spawnSync(
      'sh',
      ['-c', `ulimit -c 0; exec 2>&1\n${this.#translate(script)}`],
      {
        cwd: PROGRAMS,
        env: this.#env,
        encoding: 'utf8',
        timeout: 60_000,
      },
    );
    if (error !== undefined) throw error;
    const told = this.#translate(stdout, 'back');
    return told.split(`${mark}\n`).map((text) => text.split('\n'));
  }

  #translate(text: string, direction: 'there' | 'back' = 'there'): string {
    return this.#words.reduce((all, [guide, here]) => {
      return direction === 'there' ? all.replaceAll(guide, here) : all.replaceAll(here, guide);
    }, text);
  }
}

/** What every daemon of the guide is, whatever it prints of itself. */
function expectDaemon(pid: number): void {
  const [, , group, session, terminal] = stat(pid).map(Number);
  assert.notEqual(session, pid, 'it does not lead its session');
  assert.notEqual(session, Number(stat(process.pid)[3]), 'its session is not ours');
  assert.deepEqual([terminal, group], [0, session]);
}

for (const section of GUIDE.split(/^## /m).slice(1)) {
  const consoles = blocks(section, 'console');
  if (consoles.length === 0) continue;
  const tools = ['curl', 'ps'].filter((tool) => new RegExp(`\\b${tool} -`).test(consoles.join()));
  test(`guide: ${section.split('\n')[0]}`, needs('root', ...tools), async (t) => {
    const nest = new Nest(t);
    const place = new Place(nest, await freePort());
    for (const block of consoles) {
      const commands = commandsOf(block);
      const printed = place.run(commands.map(({ command }) => command));
      commands.forEach(({ command, output }, at) => {
        assert.deepEqual(settled(printed[at] ?? []), settled(output), command);
      });
      if (/^\$ (kill|ROOT=)/m.test(block)) {
        await until('it has ended', () => nest.processes().length === 0);
      } else {
        nest.processes().forEach(expectDaemon);
      }
    }
    assert.deepEqual(nest.processes(), []);
    assert.equal(existsSync(join(nest.directory, 'hello.pid')), false, 'the pidfile');
  });
}

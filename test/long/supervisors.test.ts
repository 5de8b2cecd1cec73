// examples/s6 and examples/runit under Debian's s6 and runit: up, ready, reload, an upgrade that is refused, death, down,
// the log, the finish script.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Nest, until } from '../tools/daemons.js';
import { needs } from '../tools/needs.js';
import { freePort } from '../tools/port.js';
import { childrenOf, hasEnded, stat } from '../tools/proc.js';

const EXAMPLES = fileURLToPath(new URL('../../../examples', import.meta.url));
const PROGRAMS = fileURLToPath(new URL('../../examples', import.meta.url));

interface Place {
  nest: Nest;
  /** The service directory. */
  service: string;
  /** Where its log goes. */
  log: string;
  port: number;
  env: NodeJS.ProcessEnv;
}

/** An example as it would be installed, but for the places. */
async function installed(t: TestContext, example: string, program: string): Promise<Place> {
  const nest = new Nest(t);
  const [service, log] = [join(nest.directory, 'services/hello'), join(nest.directory, 'log')];
  const port = await freePort();
  mkdirSync(join(nest.directory, 'services'));
  mkdirSync(log);
  cpSync(join(EXAMPLES, example), service, { recursive: true });
  for (const name of readdirSync(service, { recursive: true, encoding: 'utf8' })) {
    if (!/(^|\/)(run|check|finish)$/.test(name)) continue;
    const file = join(service, name);
    const text = readFileSync(file, 'utf8')
      .replaceAll(/\bnode (?=\/opt)/g, `${process.execPath} `)
      .replaceAll('/opt/hello/service.js', join(PROGRAMS, program))
      .replaceAll('/var/log/hello', log)
      .replaceAll(':8080', `:${port}`);
    writeFileSync(file, text);
    chmodSync(file, 0o755);
  }
  return { nest, service, log, port, env: nest.env({ PORT: `${port}`, WORKERS: '2' }) };
}

async function ask(port: number): Promise<{ greeting: string | undefined; pid: number }> {
  const request = get({ host: '127.0.0.1', port, agent: false });
  const [response] = await once(request, 'response');
  let text = '';
  for await (const part of response.setEncoding('utf8')) text += part;
  const [, greeting, pid] = /^(.*) from process (\d+)\n$/.exec(text) ?? [];
  return { greeting, pid: Number(pid) };
}

async function greets(port: number, greeting: string): Promise<number> {
  for (const end = performance.now() + 60_000; performance.now() < end; await sleep(50)) {
    const answer = await ask(port).catch(() => undefined);
    if (answer?.greeting === greeting) return answer.pid;
  }
  assert.fail(`nobody says ${greeting}`);
}

/** Clients must not be blocked during this, but there are none. */
function told(env: NodeJS.ProcessEnv, command: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', env });
  assert.equal(status, 0, `${command} ${args.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

const logged = ({ log }: Place) => readFileSync(join(log, 'current'), 'utf8');
const logs = (place: Place, line: RegExp) => until(`${line}`, () => line.test(logged(place)));
const nameOf = (pid: number) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim();

/** s6-svscan, and what its programs know about the service. */
async function s6(t: TestContext, program: string) {
  const place = await installed(t, 's6/hello', program);
  const { nest, service, env } = place;
  // s6-svscan and the loggers write to the end of it.
  const scanner = spawn('s6-svscan', [join(nest.directory, 'services')], { env, stdio: 'ignore' });
  await until('it is supervised', () => spawnSync('s6-svok', [service], { env }).status === 0);
  return {
    place,
    svc: (option: string) => told(env, 's6-svc', option, service),
    wait: (option: string) => told(env, 's6-svwait', option, '-t', '60000', service),
    state: () => {
      const words = told(env, 's6-svstat', '-o', 'up,ready,pid', service).trim().split(' ');
      return { up: words[0] === 'true', ready: words[1] === 'true', pid: Number(words[2]) };
    },
    async end() {
      told(env, 's6-svscanctl', '-t', join(nest.directory, 'services'));
      await once(scanner, 'exit');
      await until('nothing is left', () => nest.processes().length === 0);
    },
  };
}

test('s6: notification, reload, death, down; finish and log', needs('s6-svscan'), async (t) => {
  const { place, svc, wait, state, end } = await s6(t, 'service.js');
  wait('-U');
  const { up, ready, pid } = state();
  assert.deepEqual([up, ready], [true, true]);
  assert.deepEqual(await ask(place.port), { greeting: 'hello', pid });
  assert.equal(nameOf(Number(stat(pid)[1])), 's6-supervise');
  svc('-h');
  assert.equal(await greets(place.port, 'good day'), pid);

  process.kill(pid, 'SIGKILL');
  const another = () => {
    const now = state();
    return now.ready && now.pid !== pid ? now.pid : 0;
  };
  const next = await until('another one', another);
  assert.deepEqual(await ask(place.port), { greeting: 'hello', pid: next });
  await logs(place, / hello has ended by signal 9$/m);

  svc('-d');
  wait('-D');
  assert.deepEqual([state().up, hasEnded(next)], [false, true]);
  await logs(place, / hello has ended with code 0$/m);
  assert.match(logged(place), / GET \/$/m);
  svc('-u');
  wait('-U');
  await end();
});

test('s6: a master, its workers, and no upgrade', needs('s6-svscan'), async (t) => {
  const { place, svc, state, end } = await s6(t, 'prefork/service.js');
  const worker = await greets(place.port, 'hello');
  const { pid } = state();
  assert.ok(childrenOf(pid).includes(worker));
  svc('-h');
  await greets(place.port, 'good day');
  told(place.env, 's6-svc', '-2', place.service);
  await logs(
    place,
    /ENOTSUP: the parent process is s6-supervise, so the supervisor would take the end of this process for the end of the service/,
  );
  assert.deepEqual([state().pid, state().up], [pid, true]);
  await greets(place.port, 'good day');
  svc('-d');
  told(place.env, 's6-svwait', '-D', '-t', '60000', place.service);
  assert.ok(hasEnded(pid));
  await end();
});

async function runit(t: TestContext, program: string) {
  const place = await installed(t, 'runit/hello', program);
  const { nest, service, env } = place;
  const supervisor = spawn('runsv', [service], { env, stdio: 'ignore' });
  const sv = (command: string) => told(env, 'sv', '-w', '60', command, service);
  await until('it is supervised', () => spawnSync('sv', ['status', service], { env }).status === 0);
  return {
    place,
    sv,
    pid: () => Number(/^run: [^(]*: \(pid (\d+)\)/.exec(sv('status'))?.[1] ?? 0),
    async end() {
      supervisor.kill('SIGTERM');
      await once(supervisor, 'exit');
      await until('nothing is left', () => nest.processes().length === 0);
    },
  };
}

test('runit: check, reload, death, down; finish and log', needs('svlogd', 'curl'), async (t) => {
  const { place, sv, pid, end } = await runit(t, 'service.js');
  // By its `check`.
  assert.match(sv('start'), /^ok: run: /);
  const first = pid();
  assert.deepEqual(await ask(place.port), { greeting: 'hello', pid: first });
  assert.equal(nameOf(Number(stat(first)[1])), 'runsv');
  sv('hup');
  assert.equal(await greets(place.port, 'good day'), first);

  process.kill(first, 'SIGKILL');
  await until('another one', () => ![0, first].includes(pid()));
  assert.equal(await greets(place.port, 'hello'), pid());
  await logs(place, / hello has ended by signal 9$/m);

  const next = pid();
  assert.match(sv('down'), /^ok: down: /);
  assert.ok(hasEnded(next));
  await logs(place, / hello has ended with code 0$/m);
  assert.match(logged(place), / GET \/$/m);
  assert.match(sv('start'), /^ok: run: /);
  await end();
});

test('runit: a master, its workers, and no upgrade', needs('svlogd', 'curl'), async (t) => {
  const { place, sv, pid, end } = await runit(t, 'prefork/service.js');
  sv('start');
  const master = pid();
  assert.ok(childrenOf(master).includes((await ask(place.port)).pid));
  sv('hup');
  await greets(place.port, 'good day');
  sv('2');
  await logs(
    place,
    /ENOTSUP: the parent process is runsv, so the supervisor would take the end of this process for the end of the service/,
  );
  assert.equal(pid(), master);
  await greets(place.port, 'good day');
  assert.match(sv('down'), /^ok: down: /);
  assert.ok(hasEnded(master));
  await end();
});

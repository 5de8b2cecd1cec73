// The units whose program is examples/prefork/service.ts, and what systemd does with other kinds of services.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { until } from '../tools/daemons.js';
import { childrenOf, hasEnded, stat, status } from '../tools/proc.js';
import type { Scenario } from './scenario.js';
import { Clients, command, succeeds, systemctl, Unit } from './unit.js';

export const PROGRAM = '/opt/hello/prefork.js';
export const EXAMPLES = '/opt/daemonkit/dist/examples';

/** While it lasts the program's next start fails. */
function broken(): Disposable {
  rmSync(PROGRAM);
  writeFileSync(PROGRAM, "throw new Error('this release is broken');\n");
  return {
    [Symbol.dispose]() {
      rmSync(PROGRAM);
      symlinkSync(`${EXAMPLES}/prefork/service.js`, PROGRAM);
    },
  };
}

/** Two workers, and one of them answers. After an upgrade another process is the main one for a moment. */
async function crew(unit: Unit): Promise<{ main: number; workers: number[] }> {
  const main = await until('two workers', () => {
    const pid = unit.main;
    return childrenOf(pid).length === 2 ? pid : 0;
  });
  const workers = childrenOf(main);
  assert.ok(workers.includes((await unit.ask()).pid));
  return { main, workers };
}

async function reloads(unit: Unit): Promise<void> {
  const { main, workers } = await crew(unit);
  await unit.reload();
  await unit.shows({ StatusText: 'serving anew', MainPID: `${main}`, ActiveState: 'active' });
  assert.equal((await unit.ask()).greeting, 'good day');
  assert.ok(childrenOf(main).every((pid) => !workers.includes(pid)));
}

/** `how` asks for it; a broken release first. */
async function upgrades(unit: Unit, how: () => Promise<void>): Promise<void> {
  const before = await crew(unit);
  {
    using _ = broken();
    await how();
    await unit.shows({
      StatusText: /^upgrade: the new program has exited with 1 /,
      ActiveState: 'active',
      MainPID: `${before.main}`,
    });
    assert.deepEqual(await crew(unit), before);
    await unit.logs(/^Error: this release is broken$/m);
  }
  await how();
  await unit.moves(before.main);
  await until('the old one has ended', () => hasEnded(before.main));
  const next = (await crew(unit)).main;
  assert.notEqual(next, before.main);
  assert.equal(stat(next)[1], '1', 'process 1 has it now');
}

const byUsr2 = (unit: Unit) => () => unit.signal('USR2');

async function prefork(unit: Unit): Promise<void> {
  await unit.start();
  await unit.shows({ StatusText: 'serving with 2 workers' });
  await using clients = new Clients(unit.port);
  await clients.goesOn();
  await reloads(unit);
  await upgrades(unit, byUsr2(unit));
  await clients.stop();
  const { main, workers } = await crew(unit);
  process.kill(main, 'SIGKILL');
  await unit.shows({ NRestarts: '1', ActiveState: 'active', MainPID: /^[1-9]/ });
  assert.ok(workers.every(hasEnded));
  await crew(unit);
  await unit.stops();
}

async function upgradedByReload(unit: Unit): Promise<void> {
  await unit.start();
  await using clients = new Clients(unit.port);
  await clients.goesOn();
  const first = unit.main;
  await upgrades(unit, async () => {
    await unit.reload();
    assert.equal(unit.state.SubState, 'running');
  });
  assert.notEqual(unit.main, first);
  await clients.stop();
  await unit.stops();
}

async function hardened(unit: Unit): Promise<string> {
  await unit.start();
  const { main, workers } = await crew(unit);
  for (const pid of [main, ...workers]) {
    const { Seccomp, NoNewPrivs, CapEff, CapBnd } = status(pid);
    assert.deepEqual([Seccomp, NoNewPrivs], ['2', '1']);
    assert.deepEqual([CapEff, CapBnd].map(Number), [0, 0]);
  }
  await reloads(unit);
  await upgrades(unit, byUsr2(unit));
  const rating = succeeds('systemd-analyze', 'security', '--no-pager', unit.name);
  const [, exposure] = /Overall exposure level for \S+: (\S+ \w+)/.exec(rating) ?? [];
  await unit.stops();
  return `exposure ${exposure}`;
}

/** A service without a file. */
function transient(name: string, properties: string[], ...program: string[]): void {
  const set = properties.map((one) => `--property=${one}`);
  succeeds('systemd-run', `--unit=${name}`, ...set, '/usr/bin/node', ...program);
}

const SERVICE = '/opt/daemonkit/dist/test/fixtures/service.js';

/** The launcher reports the main pid; without a socket systemd finds it by itself. */
async function detached(unit: Unit): Promise<void> {
  for (const properties of [['Type=notify', 'NotifyAccess=main'], ['Type=forking']]) {
    const options = { detach: true, pidfile: '/run/detached.pid', log: '/var/log/detached.log' };
    transient(unit.name, properties, SERVICE, 'plain', JSON.stringify(options));
    const pid = Number(readFileSync('/run/detached.pid', 'utf8'));
    await unit.shows({ ActiveState: 'active', SubState: 'running', MainPID: `${pid}` });
    await systemctl('stop', unit.name);
    assert.equal(existsSync('/run/detached.pid'), false);
    await until('it is gone', () => hasEnded(pid));
    unit.clear();
  }
}

/** systemd reads the pidfile again when the main process ends. */
async function preforkForking(unit: Unit): Promise<void> {
  writeFileSync('/etc/hello.json', '{ "greeting": "hello" }');
  const variables = [`PORT=${unit.port}`, 'ACCOUNT=nobody', 'WORKERS=2'];
  const environment = variables.map((one) => `Environment=${one}`);
  transient(
    unit.name,
    ['Type=forking', 'PIDFile=/run/hello.pid', 'KillMode=mixed', ...environment],
    `${EXAMPLES}/prefork/production.js`,
  );
  const main = unit.main;
  assert.equal(Number(readFileSync('/run/hello.pid', 'utf8')), main);
  await using clients = new Clients(unit.port);
  await clients.goesOn();
  await unit.signal('USR2');
  const next = await unit.moves(main);
  await until('the old one has ended', () => hasEnded(main));
  assert.deepEqual([unit.main, Number(readFileSync('/run/hello.pid', 'utf8'))], [next, next]);
  await clients.stop();
  await systemctl('stop', unit.name);
  assert.deepEqual([existsSync('/run/hello.pid'), hasEnded(next)], [false, true]);
}

/** No process can report another main pid to systemd. */
async function simple(unit: Unit): Promise<void> {
  const environment = `Environment=PORT=${unit.port}`;
  transient(unit.name, ['Type=exec', environment], PROGRAM);
  const pid = await unit.answers();
  const main = unit.main;
  assert.ok(childrenOf(main).includes(pid));
  await unit.signal('USR2');
  await unit.logs(
    /^ENOTSUP: SYSTEMD_EXEC_PID is this process, so the supervisor would .*, execve$/m,
  );
  assert.equal(unit.main, main);
  command('systemctl', 'stop', unit.name);
}

export const preforked: Scenario[] = [
  {
    unit: new Unit('hello-prefork.service', 8084),
    about: 'reload, failed upgrade, upgrade, kill, stop; no request fails',
    play: prefork,
  },
  {
    unit: new Unit('hello-upgrade.service', 8085),
    about: 'systemctl reload is an upgrade; no request fails',
    since: 253,
    play: upgradedByReload,
  },
  {
    unit: new Unit('hello-hardened.service', 8087),
    about: 'seccomp, no capabilities: fork, reload, upgrade, stop',
    play: hardened,
  },
  {
    unit: new Unit('detached.service'),
    about: 'detach: true with Type=notify, and with Type=forking without PIDFile=',
    play: detached,
  },
  {
    unit: new Unit('prefork-forking.service', 8092),
    about: 'Type=forking: an upgrade by the pidfile',
    play: preforkForking,
  },
  {
    unit: new Unit('prefork-exec.service', 8093),
    about: 'Type=exec: an upgrade is refused',
    play: simple,
  },
];

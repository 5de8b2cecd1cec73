// Runs in the booted system (test/tools/systemd.ts): installs the units of examples/systemd as they
// are, and plays them. Prints a line for each; failures are repeated at the end, with the journal.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { inspect } from 'node:util';
import { tail } from '../tools/failures.js';
import { EXAMPLES, PROGRAM, preforked } from './preforked.js';
import type { Scenario } from './scenario.js';
import { services } from './services.js';
import { succeeds, systemctl } from './unit.js';

const SOURCES = '/opt/daemonkit/examples/systemd';

async function install(): Promise<void> {
  mkdirSync('/opt/hello');
  symlinkSync(`${EXAMPLES}/service.js`, '/opt/hello/service.js');
  symlinkSync(`${EXAMPLES}/prefork/service.js`, PROGRAM);
  for (const name of readdirSync(SOURCES)) {
    copyFileSync(`${SOURCES}/${name}`, `/etc/systemd/system/${name}`);
  }
  await systemctl('daemon-reload');
}

const version = Number(/\d+/.exec(succeeds('systemctl', '--version'))?.[0]);
const [only] = process.argv.slice(2);

function line(word: string, { unit, about }: Scenario, more = ''): void {
  console.log(`${word.padEnd(7)} ${unit.name.padEnd(24)} ${about}${more && `: ${more}`}`);
}

await install();
const failures: string[] = [];
const played = new Set<string>();
for (const scenario of [...services, ...preforked]) {
  const { unit, since = 0 } = scenario;
  played.add(unit.name.replace(/@.*\./, '@.'));
  if (only !== undefined && !unit.name.includes(only)) continue;
  if (version < since) {
    line('skip', scenario, `systemd ${since}`);
    continue;
  }
  try {
    const told = await scenario.play(unit);
    line('ok', scenario, typeof told === 'string' ? told : '');
  } catch (error) {
    line('FAILED', scenario);
    const status = spawnSync('systemctl', ['status', '--no-pager', unit.name], {
      encoding: 'utf8',
    });
    failures.push(`${unit.name}: ${inspect(error)}\n${status.stdout}\n${tail(unit.journal)}`);
  } finally {
    unit.clear();
  }
}
const forgotten = readdirSync(SOURCES).filter(
  (name) => name.endsWith('.service') && !played.has(name),
);
if (forgotten.length > 0) failures.push(`no scenario has ${forgotten.join(', ')}`);
for (const failure of failures) console.log(`\n${failure}`);
process.exitCode = failures.length > 0 ? 1 : 0;

// npm run test:arm64-system [-- --nodes 20,22,24,26 --forks 250 --host 1000 --parts host,live,daemon,stress
// --cpu max,pauth-impdef=on --addresses 1000 --patience 180 --refresh]: live fork on a kernel of arm64, in a virtual
// machine without KVM, with the package's binary: cpp/fork without Node, and on each Node line a fork, becomeDaemon() both
// ways, and the stress. Takes hours, and is not in CI. Needs root, on Linux x86-64.
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { arm64Node, arm64System } from './arm64-roots.js';
import { tail } from './failures.js';
import { buildHost, machines } from './fork-host.js';
import { needs } from './needs.js';
import { supportedLines } from './nodes.js';
import { optionsOf } from './options.js';
import { PROJECT } from './roots.js';
import { builtFor } from './test-addons.js';
import {
  type BootOptions,
  boot,
  KERNEL_PACKAGES,
  type Machine,
  makeMachine,
  needsMachine,
  run,
  type Step,
} from './virtual.js';

const PARTS = ['host', 'live', 'daemon', 'stress'];
const usage = `test:arm64-system -- [--nodes ${supportedLines}] [--forks 250] [--host 1000] [--parts ${PARTS}]
  [--cpu max,pauth-impdef=on] [--addresses 1000] [--patience 180] [--refresh]`;

function parse() {
  const missing = needsMachine.skip || needs('aarch64-linux-gnu-g++').skip;
  if (missing) throw new Error(missing);
  const { values } = parseArgs({
    options: {
      nodes: { type: 'string', default: `${supportedLines}` },
      forks: { type: 'string', default: '250' },
      host: { type: 'string', default: '1000' },
      parts: { type: 'string', default: `${PARTS}` },
      cpu: { type: 'string', default: 'max,pauth-impdef=on' },
      addresses: { type: 'string', default: '1000' },
      patience: { type: 'string', default: '180' },
      refresh: { type: 'boolean', default: false },
    },
  });
  const parts = values.parts.split(',');
  const unknown = parts.find((part) => !PARTS.includes(part));
  if (unknown !== undefined) throw new Error(`not a part: ${unknown}`);
  const number = (name: 'forks' | 'host' | 'addresses' | 'patience') => {
    const value = Number(values[name]);
    if (Number.isInteger(value) && value > 0) return value;
    throw new Error(`--${name}: not a number: ${values[name]}`);
  };
  return {
    ...{ parts, cpu: values.cpu, refresh: values.refresh, lines: values.nodes.split(',') },
    ...{ forks: number('forks'), host: number('host') },
    ...{ addresses: number('addresses'), patience: number('patience') },
  };
}

const options = optionsOf(parse, usage);
const project = fileURLToPath(new URL('../../..', import.meta.url));
const nodeOf = (line: string) => `/node/${line}/node`;

/** A machine with this project, as it is when it is installed, and with the Node lines. */
async function made(folder: string): Promise<Machine> {
  const root = arm64System(KERNEL_PACKAGES, options.refresh).folder;
  const { binary, addons } = builtFor('linux-arm64-glibc');
  const tree = join(folder, 'tree');
  // What a machine of its own never reads is left out.
  const without = ['boot', 'lib/modules', 'lib/firmware', 'share/doc', 'share/locale'];
  const excluded = without.map((name) => `--exclude=./${name === 'boot' ? '' : 'usr/'}${name}`);
  mkdirSync(tree);
  const copy = 'from=$1 to=$2; shift 2; tar -C "$from" "$@" -c . | tar -C "$to" -x';
  run('sh', '-c', copy, 'sh', root, tree, ...excluded);
  const there = join(tree, PROJECT);
  for (const name of ['dist', 'package.json', 'prebuilds/make', 'node_modules/node-gyp-build']) {
    cpSync(join(project, name), join(there, name), { recursive: true });
  }
  cpSync(binary, join(there, 'prebuilds/linux-arm64', basename(binary)));
  cpSync(addons, join(there, 'test/native/build/Release'), { recursive: true });
  await buildHost(machines.arm64Shared, join(there, 'fork-host'));
  for (const line of options.lines) {
    const { folder: from, program } = arm64Node(line, options.refresh);
    cpSync(join(from, program), join(tree, nodeOf(line)), { dereference: true });
  }
  return makeMachine(folder, root, tree);
}

/** Each is there twice: by fork, and by starting the program again. */
const DAEMON = '(it serves|it has a session|SIGTERM ends it|a second start says)';

const SCRIPTS: Record<string, (node: string) => string> = {
  host: () => `step units ./fork-host units\nstep host ./fork-host ${options.host}`,
  live: (node) => `step live ${node} dist/test/fixtures/arm64.js`,
  daemon: (node) =>
    `step daemon ${node} --test --test-reporter=tap --test-name-pattern='${DAEMON}' dist/test/daemon.test.js`,
  // What is in the machine's folders is gone with it; nothing is left of a run without a failure.
  stress: (node) =>
    `step stress ${node} dist/test/tools/stress.js --forks ${options.forks} --patience 600 --addresses ${options.addresses}
for log in /tmp/daemonkit-stress-*/stderr.txt; do if [ -f $log ]; then step log tail -n 200 $log; step kernel dmesg; fi; done`,
};

interface Row {
  what: string;
  seconds: number;
  result: string;
}
const rows: Row[] = [];
const failures: string[] = [];

/** The lines that say what came out. */
function resultOf({ name, printed }: Step): string {
  if (name === 'daemon') return (printed.match(/^# (pass|fail|skipped) \d+$/gm) ?? []).join(', ');
  // The first one announces the run.
  if (name === 'stress') return printed.match(/^Node .* forks, .*$/gm)?.at(-1) ?? '';
  return printed.trim().split('\n').at(-1) ?? '';
}

async function play(machine: Machine, what: string, parts: string[], node: string): Promise<void> {
  const script = parts.map((part) => SCRIPTS[part]?.(node)).join('\n');
  const how: BootOptions = { cpu: options.cpu, patience: options.patience, onLine: console.log };
  console.log(`\n# ${what}`);
  const { steps, seconds, broken } = await boot(machine, `${script}\n`, how);
  for (const step of steps) {
    const { name, status } = step;
    rows.push({ what: `${what}: ${name}`, seconds: step.seconds, result: resultOf(step) });
    if (status === undefined) failures.push(`${what}, ${name}: has not ended`);
    else if (status !== 0) {
      failures.push(`${what}, ${name}: exit code ${status}\n${tail(step.printed)}`);
    }
  }
  if (broken !== undefined) failures.push(`${what}: ${broken}`);
  rows.push({ what: `${what}: all`, seconds, result: broken === undefined ? '' : 'broken off' });
}

const folder = mkdtempSync(join(tmpdir(), 'daemonkit-arm64-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
  process.on(signal, () => process.exit(1));
const machine = await made(folder);
console.log(`kernel ${machine.release}, processor ${options.cpu}`);
if (options.parts.includes('host')) await play(machine, 'cpp/fork', ['host'], '');
const parts = options.parts.filter((part) => part !== 'host');
if (parts.length > 0) {
  for (const line of options.lines) await play(machine, `Node ${line}`, parts, nodeOf(line));
}
console.table(rows);
// Last, where it is found however long the log is.
for (const what of failures) console.log(what);
process.exitCode = failures.length > 0 || rows.length === 0 ? 1 : 0;

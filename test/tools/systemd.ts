// npm run test:systemd [-- SUITES...] [--only UNIT] [--nodes 20,24] [--refresh]: the units of examples/systemd in a
// booted systemd, of Debian bookworm and trixie if no others are named, on this Node if no others are.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Booted, bootObstacle, PROJECT } from './booted.js';
import { tail } from './failures.js';
import { needs } from './needs.js';
import { nodeLines } from './nodes.js';

/** prebuilds/make/fetch.mjs, which zig is fetched by as well. */
interface Fetch {
  cacheFolder(name: string): string;
  fetchOnce(folder: string, proof: string, fill: (fresh: string) => void, anew: boolean): string;
}

const fetcher = new URL('../../../prebuilds/make/fetch.mjs', import.meta.url).href;
const { cacheFolder, fetchOnce } = (await import(fetcher)) as Fetch;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string' },
    nodes: { type: 'string' },
    refresh: { type: 'boolean', default: false },
  },
});

const here = { version: process.versions.node, path: process.execPath };
const nodes = values.nodes === undefined ? [here] : nodeLines(values.nodes.split(','));
const suites = positionals.length > 0 ? positionals : ['bookworm', 'trixie'];
const programs = ['root', 'debootstrap', 'unshare', 'nsenter', 'setpriv', 'mount'];
const missing = needs(...programs).skip || bootObstacle();

/** A Debian with systemd, and with what the Node lines need; once for a machine. */
function debian(suite: string): string {
  const packages = ['libatomic1', 'procps', 'systemd'];
  const fill = (fresh: string) => {
    console.log(`debootstrap ${suite}`);
    // In a separate mount namespace, so that its mounts do not affect others.
    const { status, stdout, stderr } = spawnSync(
      'unshare',
      [
        ...['--mount', 'debootstrap', '--variant=minbase', `--include=${packages.join(',')}`],
        ...[suite, fresh],
      ],
      { encoding: 'utf8' },
    );
    if (status !== 0) throw new Error(`debootstrap ${suite}:\n${tail(stdout + stderr)}`);
  };
  const folder = join(cacheFolder('roots'), `${suite}+systemd`);
  return fetchOnce(folder, 'usr/bin/systemctl', fill, values.refresh);
}

/** The last line of what a command prints in there. */
const asked = (system: Booted, ...command: string[]) =>
  system
    .run(...command)
    .stdout.trim()
    .split('\n')[0] ?? '';

async function play(suite: string, node: { version: string; path: string }): Promise<boolean> {
  await using system = await Booted.start(debian(suite), node.path);
  const systemd = asked(system, 'systemctl', '--version');
  const release = asked(system, 'cat', '/etc/debian_version');
  console.log(`\n# ${systemd}; Debian ${suite} (${release}); Node ${node.version}`);
  if (asked(system, 'node', '--version') !== `v${node.version}`) {
    const { stderr } = system.run('node', '--version');
    console.log(`this Node does not run there: ${stderr.trim()}`);
    return false;
  }
  const program = `${PROJECT}/dist/test/systemd/units.js`;
  const [file = '', ...args] = [...system.enter, 'node', program];
  const only = values.only === undefined ? [] : [values.only];
  const player = spawn(file, [...args, ...only], { stdio: ['ignore', 'inherit', 'inherit'] });
  const [code] = await once(player, 'exit');
  return code === 0;
}

if (missing) console.log(`skipped: ${missing}`);
else {
  const failed: string[] = [];
  for (const suite of suites) {
    for (const node of nodes) {
      if (!(await play(suite, node))) failed.push(`${suite}, Node ${node.version}`);
    }
  }
  console.log(failed.length > 0 ? `\nfailed: ${failed.join('; ')}` : '\nall passed');
  process.exitCode = failed.length > 0 ? 1 : 0;
}

// npm run test:arm64 [-- glibc musl] [--nodes 20,22,24,26] [--refresh]: the package's binaries for arm64 on a Debian of arm64
// under qemu-user, with each Node line: they are loaded, and what needs no live fork is done. The emulator is known to one user
// namespace alone. Live fork cannot be there, and what fork() says is asked. Needs root, on Linux x86-64.
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { arm64Node, arm64Root, emulated, needsEmulator } from './arm64-roots.js';
import { tail } from './failures.js';
import { muslNode } from './musl-nodes.js';
import { supportedLines } from './nodes.js';
import { optionsOf } from './options.js';
import { type Inside, PROJECT, programOf } from './roots.js';
import { builtFor } from './test-addons.js';

type Libc = 'glibc' | 'musl';
const usage = `test:arm64 -- [glibc musl] [--nodes ${supportedLines}] [--refresh]`;

/**
 * One program for all of it: what fork() says, a signal flag raised by another process, descriptors, a session, limits,
 * and what becomeDaemon() says. Whatever is wrong throws.
 */
const ASK = `import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import * as daemonkit from '${PROJECT}/dist/lib/index.js';
const { fork, forkSupport, SignalFlag, becomeDaemon } = daemonkit;
const said = (run) => { try { run(); return 'nothing'; } catch ({ code, syscall }) { return code + ', ' + syscall; } };
let refused = 'nothing';
try { fork(); } catch ({ code, message }) { refused = code + ': ' + message; }
const flag = new SignalFlag('SIGUSR2');
const other = spawn('sh', ['-c', 'kill -USR2 ' + process.pid]);
const { pid } = await flag.wait();
assert.equal(pid, other.pid);
flag[Symbol.dispose]();
const copy = daemonkit.dup(1);
assert.deepEqual(daemonkit.openDescriptors().filter(({ fd }) => fd === copy).length, 1);
closeSync(copy);
assert.equal(daemonkit.getsid(0), daemonkit.getsid(process.pid));
assert.ok(daemonkit.getrlimit('NOFILE').hard > 0);
const daemon = said(() => becomeDaemon({ ready: 'detached' }));
const { header } = process.report.getReport();
console.log(JSON.stringify({
  node: process.versions.node, arch: process.arch, libc: header.glibcVersionRuntime ?? 'musl',
  live: forkSupport().live, reasons: forkSupport().reasons, refused, daemon,
}));`;

interface Answer {
  node: string;
  arch: string;
  libc: string;
  live: boolean;
  reasons: string[];
  refused: string;
  daemon: string;
}

function answerOf(where: Inside): Answer {
  const [program = '', ...args] = [
    ...emulated(where),
    // A child of process 1 is a daemon already.
    ...['sh', '-c', '"$@"; exit $?', 'sh', programOf(where), '--input-type=module', '--eval', ASK],
  ];
  const { stdout, stderr, status } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`does not run:\n${tail(stdout + stderr)}`);
  return JSON.parse(stdout) as Answer;
}

const failures: string[] = [];

function run(libc: Libc, line: string, refresh: boolean) {
  const start = performance.now();
  const node = libc === 'musl' ? muslNode(line, refresh, 'arm64') : arm64Node(line, refresh);
  const where = { root: arm64Root(refresh), ...builtFor(`linux-arm64-${libc}`), node };
  const { refused, daemon, ...answer } = answerOf(where);
  console.log(
    `\n# arm64, ${libc}: Node ${answer.node}\nfork(): ${refused}\nbecomeDaemon(): ${daemon}`,
  );
  // The emulator has no PR_GET_TID_ADDRESS; without that a thread's end would not be reported.
  if (answer.live || !/ENOTSUP.*PR_GET_TID_ADDRESS/.test(refused)) {
    failures.push(`${libc}, Node ${answer.node}: fork() says ${refused}; ${answer.reasons}`);
  }
  return {
    ...{ libc: answer.libc, node: answer.node, arch: answer.arch, 'live fork': answer.live },
    becomeDaemon: daemon,
    minutes: Math.round((performance.now() - start) / 6000) / 10,
  };
}

function parse() {
  if (needsEmulator.skip) throw new Error(needsEmulator.skip);
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      nodes: { type: 'string', default: `${supportedLines}` },
      refresh: { type: 'boolean', default: false },
    },
  });
  const libcs = (positionals.length > 0 ? positionals : ['glibc', 'musl']) as Libc[];
  const unknown = libcs.find((libc) => libc !== 'glibc' && libc !== 'musl');
  if (unknown !== undefined) throw new Error(`not a C library: ${unknown}`);
  return { libcs, lines: values.nodes.split(','), refresh: values.refresh };
}

const options = optionsOf(parse, usage);
const rows = [];
for (const libc of options.libcs) {
  for (const line of options.lines) {
    if (libc === 'musl' && line === '20') {
      console.log('\n# arm64, musl: PyPI has no wheel of Node 20');
      continue;
    }
    try {
      rows.push(run(libc, line, options.refresh));
    } catch (error) {
      failures.push(`${libc}, Node ${line}: ${(error as Error).message}`);
    }
  }
}
console.table(rows);
for (const what of failures) console.log(what);
process.exitCode = failures.length > 0 || rows.length === 0 ? 1 : 0;

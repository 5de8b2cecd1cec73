// Checks cpp/ with clang-format and clang-tidy; --fix formats first. Plain JavaScript, so that it
// runs before anything is built.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { nodeAddonApi, nodeHeaders } from '../../prebuilds/make/headers.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

function fail(message) {
  console.error(`lint-cpp: ${message}`);
  process.exit(1);
}

/** A tool from PATH; that it is missing is an error, not a pass. */
function tool(name) {
  const { error } = spawnSync(name, ['--version'], { stdio: 'ignore' });
  if (error) fail(`${name} is not in PATH; on Debian: apt install ${name}`);
  return async (args) => {
    const child = spawn(name, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    const [stdout, stderr, [status, signal]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'exit'),
    ]);
    process.stdout.write(stdout);
    // The count of those in system headers, which are not shown.
    process.stderr.write(stderr.replace(/^\d+ warnings? .*generated\.\n/gm, ''));
    if (signal !== null) fail(`${name} was killed by ${signal}`);
    if (status !== 0) process.exitCode = 1;
  };
}

const format = tool('clang-format');
const tidy = tool('clang-tidy');
const files = readdirSync(join(root, 'cpp'), { recursive: true })
  .filter((name) => /\.(cc|h)$/.test(name))
  .map((name) => join('cpp', name))
  .sort();

await format(
  process.argv.includes('--fix') ? ['-i', ...files] : ['--dry-run', '-Werror', ...files],
);

// As in binding.gyp. Others' headers as system headers: their style is theirs.
const compiler = [
  '-std=c++17',
  '-fno-exceptions',
  '-fno-rtti',
  '-DNAPI_VERSION=8',
  '-DNODE_ADDON_API_DISABLE_CPP_EXCEPTIONS',
  '-DNODE_ADDON_API_DISABLE_DEPRECATED',
  '-Icpp',
  `-Icpp/fork/${process.arch === 'x64' ? 'x86_64' : 'aarch64'}`,
  '-Icpp/fork/glibc',
  ...['-isystem', nodeAddonApi(), '-isystem', nodeHeaders()],
];

/** Minutes of work, so each processor takes the next file when it is done with one. */
const waiting = files.filter(
  (name) => name.endsWith('.cc') && !/[_/](freebsd|arm64)[./]/.test(name),
);
async function tidyAll() {
  for (let file = waiting.shift(); file; file = waiting.shift()) {
    await tidy(['--quiet', file, '--', ...compiler]);
  }
}
await Promise.all(Array.from({ length: availableParallelism() }, tidyAll));

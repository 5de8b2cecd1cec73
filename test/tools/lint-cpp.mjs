// Checks cpp/ with clang-format and clang-tidy; --fix formats first. Plain JavaScript, so that it
// runs before anything is built.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
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
  return (args) => {
    const options = { cwd: root, stdio: ['ignore', 'inherit', 'pipe'], encoding: 'utf8' };
    const { status, signal, stderr } = spawnSync(name, args, options);
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

format(process.argv.includes('--fix') ? ['-i', ...files] : ['--dry-run', '-Werror', ...files]);

// As in binding.gyp. Others' headers as system headers: their style is theirs.
tidy([
  '--quiet',
  ...files.filter((name) => name.endsWith('.cc') && !/[_/](freebsd|arm64)[./]/.test(name)),
  '--',
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
]);

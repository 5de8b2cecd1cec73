// What `npm pack` runs before and after: prepack and postpack. The package's package.json is the
// repository's without what only the repository needs (scripts, devDependencies). npm packs the
// file that is there, so it is replaced during that time. It is restored even if npm fails or is
// killed, because a separate process waits for npm's end.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { targets } from '../../prebuilds/make/targets.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const manifest = join(root, 'package.json');
// The very file, moved: its times and permissions come back too. git ignores the folder, and npm packs dist/lib of it.
const aside = (npm) => join(root, 'dist', `package.json.${npm}`);

function stripped() {
  const { scripts, devDependencies, overrides, ...rest } = JSON.parse(
    readFileSync(manifest, 'utf8'),
  );
  rest.types = rest.exports['.'].types = './dist/index.d.ts';
  return `${JSON.stringify(rest, null, 2)}\n`;
}

/** Puts the file back that was moved aside for this npm, if it was. */
function restore(npm) {
  rmSync(`${aside(npm)}.new`, { force: true });
  if (existsSync(aside(npm))) renameSync(aside(npm), manifest);
}

/** Parent and command of a process; undefined if there is none. */
function parentOf(pid) {
  const args = ['-o', 'ppid=', '-o', 'comm=', '-p', `${pid}`];
  if (process.platform !== 'linux') {
    const [, ppid, command] = /(\d+)\s+(.*)/.exec(execFileSync('ps', args, { encoding: 'utf8' }));
    return { ppid: Number(ppid), command: basename(command.trim()) };
  }
  const [, command, ppid] = /\((.*)\) \S (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  return { ppid: Number(ppid), command };
}

/** npm, which runs a script by a shell, which may have become this process. */
function npmOf() {
  let pid = process.ppid;
  for (;;) {
    const { ppid, command } = parentOf(pid);
    if (!/^(?:ba|da|a|k)?sh$/.test(command)) return pid;
    pid = ppid;
  }
}

function isThere(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/**
 * All declarations as one file, in place of some sixty that are there for each other. Its tool wants a TypeScript
 * with an API, which 7 has not: package.json's overrides.
 */
function bundleTypes(run) {
  const tool = join(
    root,
    'node_modules',
    'dts-bundle-generator',
    'dist',
    'bin',
    'dts-bundle-generator.js',
  );
  const options = ['--no-check', '--no-banner', '--silent', '--export-referenced-types=false'];
  const files = ['--project', 'tsconfig.json', '-o', 'dist/index.d.ts', 'dist/lib/index.d.ts'];
  run(tool, ...options, ...files);
}

async function before() {
  // Not by npm run: its lines would be part of what `npm pack --json` prints.
  const run = (...args) =>
    execFileSync(process.execPath, args, { cwd: root, stdio: ['ignore', 2, 2] });
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  run(tsc, '-p', 'tsconfig.json');
  run(tsc, '-p', 'tsconfig.types.json');
  run('test/tools/stale.mjs');
  run('test/tools/bundle.mjs');
  bundleTypes(run);
  run('test/tools/sources.mjs');
  const missing = targets.filter(({ path }) => !existsSync(path)).map(({ name }) => name);
  if (missing.length > 0) console.error(`packed without a binary for ${missing.join(', ')}`);
  const npm = npmOf();
  writeFileSync(`${aside(npm)}.new`, stripped());
  const guard = spawn(process.execPath, [import.meta.filename, 'guard', `${npm}`], {
    detached: true,
    stdio: 'ignore',
  });
  await new Promise((resolve, reject) => guard.on('spawn', resolve).on('error', reject));
  guard.unref();
  renameSync(manifest, aside(npm));
  renameSync(`${aside(npm)}.new`, manifest);
}

const [step, pid] = process.argv.slice(2);
if (step === 'before') await before();
else if (step === 'after') restore(npmOf());
else if (step === 'guard') {
  while (isThere(Number(pid))) await sleep(100);
  restore(pid);
} else {
  console.error(
    'npm publish, of a folder, tells the registry of scripts and devDependencies: npm pack, and publish the file.',
  );
  process.exitCode = 1;
}

// The package as it is published: what is in it, and that it works where nothing can be compiled.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Nest } from './tools/daemons.js';
import { tail } from './tools/failures.js';
import { isFull, whenFull } from './tools/full.js';
import { needsZig } from './tools/needs.js';
import {
  libc,
  ownBinary,
  Project,
  pack,
  packInVain,
  platform,
  prebuild,
  root,
  staged,
} from './tools/package.js';
import { stat, status } from './tools/proc.js';

/** The files below a folder of the project, by their names in it. */
function tree(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => `${folder}/${name}`)
    .filter((name) => !name.startsWith('cpp/build/') && statSync(join(root, name)).isFile());
}

const binaries = [
  ...['linux-x64', 'linux-arm64'].flatMap((folder) =>
    ['glibc', 'musl'].map((libc) => `prebuilds/${folder}/daemonkit.${libc}.node`),
  ),
  'prebuilds/freebsd-x64/daemonkit.node',
  'prebuilds/freebsd-arm64/daemonkit.node',
];

/** Reads what was loaded: the path below node_modules. */
const loaded = `
const { readFileSync } = process.getBuiltinModule?.('node:fs') ?? require('node:fs');
const loaded = () => /node_modules\\/(\\S+\\.node)$/m.exec(readFileSync('/proc/self/maps', 'utf8'))[1];
`;

const targets = new URL('../../prebuilds/make/targets.mjs', import.meta.url).href;
const { mostTogether } = (await import(targets)) as { mostTogether: number };

// By zig, as in a release, in the long form; by node-gyp here, which needs nothing that is to be fetched.
const byZig = isFull && !needsZig.skip;

describe('the package', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'daemonkit-package-'));
  const folder = join(scratch, 'daemonkit');
  let files: { path: string; size: number }[] = [];
  let project: Project;

  before(() => {
    if (byZig) {
      const { status, stdout, stderr } = prebuild('build', `${platform}-${libc}`);
      assert.equal(status, 0, tail(stdout + stderr));
    }
    staged(folder, byZig ? join(root, ownBinary) : undefined);
    const packed = pack(folder, scratch, true);
    files = packed.files;
    const loader = pack(join(root, 'node_modules', 'node-gyp-build'), scratch).tarball;
    project = new Project(mkdtempSync(join(scratch, 'project-')), [packed.tarball, loader]);
  });

  after(() => rmSync(scratch, { recursive: true, force: true }));

  test('holds what is made of the sources, the documents that npm shows, and nothing else', () => {
    const compiled = ['dist/lib/index.js', 'dist/lib/cli/bin.js', ...tree('dist/lib/chunks')];
    const { man } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const documents = ['CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md', 'package.json', man];
    const sources = ['cpp/include/daemonkit.h', 'dist/sources.tgz'];
    assert.deepEqual(
      files.map(({ path }) => path).sort(),
      [...documents, ...sources, ...compiled, 'dist/index.d.ts', ownBinary].sort(),
    );
  });

  test('is small: below 30 files and 2.5 MB with all binaries', () => {
    const others = files.filter(({ path }) => path !== ownBinary);
    assert.ok(others.length + binaries.length < 30, `${others.length} files`);
    const bytes = others.reduce((sum, { size }) => sum + size, 0);
    // mostTogether: what prebuilds/make/check.mjs allows the six of them.
    assert.ok(bytes + mostTogether < 2_500_000, `${bytes} bytes without the binaries`);
  });

  const installed = (name: string) =>
    readFileSync(join(project.directory, 'node_modules', 'daemonkit', name), 'utf8');

  test('leaves out what only the repository needs', () => {
    const { scripts, devDependencies, overrides, ...rest } = JSON.parse(installed('package.json'));
    assert.deepEqual(
      { scripts, devDependencies, overrides },
      { scripts: undefined, devDependencies: undefined, overrides: undefined },
    );
    const whole = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    assert.equal(rest.version, whole.version);
    const types = './dist/index.d.ts';
    const main = { ...whole.exports['.'], types };
    assert.deepEqual(rest.exports, { ...whole.exports, '.': main });
    assert.equal(rest.types, types);
    for (const name of ['repository', 'homepage', 'bugs', 'author']) assert.ok(rest[name], name);
    assert.equal(rest.os, undefined);
    // Neither maps nor what leads to them.
    assert.doesNotMatch(installed('dist/lib/index.js'), /sourceMappingURL/);
  });

  test('has the sources of which its binary can be built', () => {
    const archive = join(project.directory, 'node_modules', 'daemonkit', 'dist', 'sources.tgz');
    const into = join(scratch, 'sources');
    mkdirSync(into);
    execFileSync('tar', ['-xzf', archive, '-C', into]);
    const unpacked = readdirSync(into, { recursive: true, encoding: 'utf8' });
    const names = unpacked.filter((name) => statSync(join(into, name)).isFile());
    assert.deepEqual(names.sort(), tree('cpp').sort());
    for (const name of names) {
      // Line by line; comments on separate lines are empty lines.
      const ours = readFileSync(join(root, name), 'utf8').split('\n');
      const packed = readFileSync(join(into, name), 'utf8').split('\n');
      assert.equal(packed.length, ours.length, name);
      const other = ours.filter(
        (line, i) => line !== packed[i] && (packed[i] || !/^\s*\/\//.test(line)),
      );
      assert.deepEqual(other, [], name);
    }
  });

  test('has declarations that TypeScript 5.4 reads', () => {
    for (const { path } of files.filter(({ path }) => path.endsWith('.d.ts'))) {
      // Typed arrays and Buffer are generic from 5.7 on.
      assert.doesNotMatch(installed(path), /\b(?:\w+[48216]Array|Buffer)</, path);
      assert.doesNotMatch(installed(path), /sourceMappingURL|reference (?:path|types|lib)=/, path);
    }
  });

  // Three runs of npm, of which packing itself is one above.
  test('leaves the repository as it was, also when npm fails or is killed', whenFull, async () => {
    const manifest = join(folder, 'package.json');
    const whole = readFileSync(join(root, 'package.json'), 'utf8');
    const left = () =>
      readdirSync(join(folder, 'dist')).filter((name) => name.startsWith('package.json'));
    const back = async () => {
      while (!existsSync(manifest) || left().length > 0) await sleep(20);
      assert.equal(readFileSync(manifest, 'utf8'), whole);
    };
    await back();
    const { ino, mtimeMs } = statSync(manifest);
    assert.notEqual(await packInVain(folder, false), 0);
    await back();
    assert.equal(await packInVain(folder, true), 'SIGKILL');
    await back();
    const after = statSync(manifest);
    assert.deepEqual([after.ino, after.mtimeMs], [ino, mtimeMs]);
  });

  test('is installed without a compiler, with node-gyp-build alone', () => {
    const modules = readdirSync(join(project.directory, 'node_modules'));
    assert.deepEqual(modules.filter((name) => !name.startsWith('.')).sort(), [
      'daemonkit',
      'node-gyp-build',
    ]);
    const there = readdirSync(join(project.directory, 'node_modules', 'daemonkit'));
    // npm would run node-gyp, though package.json says no, at an installation from a lockfile.
    assert.deepEqual(
      ['binding.gyp', 'build'].filter((name) => there.includes(name)),
      [],
    );
  });

  const forks = `${loaded}
    const pid = fork();
    if (pid === 0) setTimeout(() => process.exit(7), 1);
    else console.log(waitpid(pid).exitCode, loaded());`;

  test('is imported, and forks', () => {
    const text = `import { createRequire } from 'node:module';
      import { fork, waitpid } from 'daemonkit';
      const require = createRequire(import.meta.url);
      ${forks}`;
    const outcome = project.run('fork.mjs', text);
    assert.deepEqual(outcome, {
      status: 0,
      signal: null,
      stdout: `7 daemonkit/${ownBinary}\n`,
      stderr: '',
    });
  });

  test('is required, and forks', () => {
    const outcome = project.run(
      'fork.cjs',
      `const { fork, waitpid } = require('daemonkit');${forks}`,
    );
    assert.deepEqual(outcome, {
      status: 0,
      signal: null,
      stdout: `7 daemonkit/${ownBinary}\n`,
      stderr: '',
    });
  });

  test('becomes a daemon', async (t) => {
    const nest = new Nest(t);
    const text = `import { becomeDaemon } from 'daemonkit';
      becomeDaemon(${JSON.stringify({ pidfile: nest.pidfile, log: nest.log })});
      console.log('at work');
      setInterval(() => {}, 1000);`;
    const launched = project.run('daemon.mjs', text, nest.env());
    assert.deepEqual(launched, { status: 0, signal: null, stdout: '', stderr: '' });
    const pid = nest.pid();
    assert.deepEqual(nest.processes(), [pid]);
    const [, ppid, , session] = stat(pid);
    assert.notEqual(ppid, `${process.pid}`);
    assert.ok(![`${pid}`, stat(process.pid)[3]].includes(session), 'no leader, and not ours');
    assert.equal(status(pid).NSpid?.trim(), `${pid}`);
    assert.match(readFileSync(`/proc/${pid}/maps`, 'utf8'), new RegExp(ownBinary));
    await nest.end(pid);
    assert.equal(nest.logged(), 'at work\n');
    assert.equal(existsSync(nest.pidfile), false);
  });

  describe('without its binary', () => {
    const asks = `import('daemonkit').then(
      () => console.log('loaded'),
      ({ code, message }) => console.log(JSON.stringify({ code, message })),
    );`;
    const folder = () =>
      join(
        project.directory,
        'node_modules',
        `daemonkit/prebuilds/${process.platform}-${process.arch}`,
      );
    const answer = () => JSON.parse(project.run('ask.mjs', asks).stdout);

    test('says that the loader refused a binary, and how to build one', () => {
      for (const name of readdirSync(folder())) writeFileSync(join(folder(), name), 'not ELF');
      const { code, message } = answer();
      assert.equal(code, 'ERR_DLOPEN_FAILED');
      assert.match(message, /^daemonkit's binary does not load: .*\.node/);
      assert.match(
        message,
        /\n {2}tar -xzf \S+\/daemonkit\/dist\/sources\.tgz -C \S+\/daemonkit\/\n/,
      );
      assert.match(message, /\n {2}npx node-gyp rebuild -C \S+\/node_modules\/daemonkit\/cpp$/);
    });

    test('says what was looked for where, and how to build it', () => {
      rmSync(folder(), { recursive: true });
      const { code, message } = answer();
      assert.equal(code, 'MODULE_NOT_FOUND');
      assert.match(
        message,
        /^daemonkit has no binary for this system \((\w+-\w+), Node v[\d.]+\)\./,
      );
      assert.match(message, /\nLooked in \S+\/prebuilds\/\w+-\w+\/: No native build was found for/);
      assert.match(message, /\n {2}npm install --no-save node-gyp node-addon-api\n/);
    });

    test('is loaded on other systems, and says at a call that there is none for them', () => {
      const elsewhere = "Object.defineProperty(process, 'platform', { value: 'darwin' });";
      const calls = asks.replace('.then(', '.then(({ getppid }) => getppid()).then(');
      const { code, message } = JSON.parse(project.run('ask.mjs', `${elsewhere} ${calls}`).stdout);
      assert.equal(code, 'ENOTSUP');
      assert.equal(
        message,
        'ENOTSUP: daemonkit runs on Linux and FreeBSD only; this is darwin, getppid',
      );
    });
  });
});

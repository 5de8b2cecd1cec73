// The package as it is published: what is in it, and that it works where nothing can be compiled.
import assert from 'node:assert/strict';
import {
  existsSync,
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
import { Nest } from './tools/daemons.js';
import { isFull } from './tools/full.js';
import { needsZig } from './tools/needs.js';
import { libc, Project, pack, platform, prebuild, root, staged } from './tools/package.js';
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

const own = `prebuilds/${platform}/daemonkit.${libc}.node`;

/** Reads what was loaded: the path below node_modules. */
const loaded = `
const { readFileSync } = process.getBuiltinModule?.('node:fs') ?? require('node:fs');
const loaded = () => /node_modules\\/(\\S+\\.node)$/m.exec(readFileSync('/proc/self/maps', 'utf8'))[1];
`;

// By zig, as in a release, in the long form; by node-gyp here, which needs nothing that is to be fetched.
const byZig = isFull && !needsZig.skip;

describe('the package', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'daemonkit-package-'));
  let files: string[] = [];
  let project: Project;
  let packs = root;

  /** The folder that is packed, with this machine's binary in it. */
  function source(): string {
    if (byZig) {
      const { status, stdout, stderr } = prebuild('build', `${platform}-${libc}`);
      assert.equal(status, 0, stdout + stderr);
    } else packs = staged(join(scratch, 'daemonkit'));
    return packs;
  }

  before(() => {
    const packed = pack(source(), scratch);
    files = packed.files;
    const loader = pack(join(root, 'node_modules', 'node-gyp-build'), scratch).tarball;
    project = new Project(mkdtempSync(join(scratch, 'project-')), [packed.tarball, loader]);
  });

  after(() => rmSync(scratch, { recursive: true, force: true }));

  test('holds the sources, what is made of them, and nothing else', () => {
    const sources = tree('lib');
    const compiled = sources.flatMap((name) => {
      const stem = `dist/${name.replace(/\.ts$/, '')}`;
      return [`${stem}.d.ts`, `${stem}.js`, `${stem}.js.map`];
    });
    const { man } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const documents = ['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json', man].filter((name) =>
      existsSync(join(root, name)),
    );
    const made = binaries.filter((name) => existsSync(join(packs, name)));
    assert.ok(made.includes(own));
    // More under dist/lib than here? What is left there of a source that is no more: rm -r dist.
    assert.deepEqual(
      files.sort(),
      [...documents, ...tree('cpp'), ...sources, ...compiled, ...made].sort(),
    );
  });

  test('is installed without a compiler, with node-gyp-build alone', () => {
    const modules = readdirSync(join(project.directory, 'node_modules'));
    assert.deepEqual(modules.filter((name) => !name.startsWith('.')).sort(), [
      'daemonkit',
      'node-gyp-build',
    ]);
    const installed = readdirSync(join(project.directory, 'node_modules', 'daemonkit'));
    // npm would run node-gyp, though package.json says no, at an installation from a lockfile.
    assert.deepEqual(
      ['binding.gyp', 'build'].filter((name) => installed.includes(name)),
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
      stdout: `7 daemonkit/${own}\n`,
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
      stdout: `7 daemonkit/${own}\n`,
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
    assert.match(readFileSync(`/proc/${pid}/maps`, 'utf8'), new RegExp(own));
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

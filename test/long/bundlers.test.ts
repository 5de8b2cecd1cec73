// docs/guide-bundlers.md: its command lines make bundles that fork.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Project, pack, root, staged } from '../tools/package.js';

const fetcher = new URL('../../../prebuilds/make/fetch.mjs', import.meta.url).href;
const { cacheFolder, fetchOnce, npm } = (await import(fetcher)) as {
  cacheFolder(name: string): string;
  fetchOnce(folder: string, proof: string, fill: (fresh: string) => void): string;
  npm(...args: string[]): void;
};

const PACKAGES = { esbuild: 'esbuild', rollup: 'rollup', ncc: '@vercel/ncc' };

/** Where the bundler's command is; throws if npm does not bring it. */
function fetched(name: keyof typeof PACKAGES): string {
  const folder = fetchOnce(
    join(cacheFolder('bundlers'), name),
    `node_modules/.bin/${name}`,
    (fresh) =>
      npm(
        'install',
        '--no-save',
        '--no-package-lock',
        '--ignore-scripts',
        '--prefix',
        fresh,
        PACKAGES[name],
      ),
  );
  return join(folder, 'node_modules', '.bin');
}

/** The guide's command for a bundler. */
function commandOf(name: string): string[] {
  const guide = readFileSync(join(root, 'docs', 'guide-bundlers.md'), 'utf8');
  const [, line] = new RegExp(`^## ${name}\n\n\`\`\`sh\n(${name} .*)\n`, 'm').exec(guide) ?? [];
  assert.ok(line, name);
  return line.split(' ');
}

const APP = `import { once } from 'node:events';
import { createServer, get } from 'node:http';
import { fork, waitpidAsync } from 'daemonkit';
import { status } from './own.mjs';

const server = createServer((_, response) => response.end('served')).listen(0);
await once(server, 'listening');
const pid = fork();
if (pid === 0) {
  server.close();
  process.exitCode = status;
} else {
  const [response] = await once(get({ port: server.address().port }), 'response');
  response.setEncoding('utf8').on('data', (text) => console.log(text));
  console.log((await waitpidAsync(pid)).exitCode);
  server.close();
}
`;

describe('bundles', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'daemonkit-bundles-'));
  let project: Project;

  before(() => {
    const { tarball } = pack(staged(join(scratch, 'daemonkit')), scratch, true);
    const loader = pack(join(root, 'node_modules', 'node-gyp-build'), scratch).tarball;
    project = new Project(mkdtempSync(join(scratch, 'project-')), [tarball, loader]);
    writeFileSync(join(project.directory, 'own.mjs'), 'export const status = 7;\n');
    writeFileSync(join(project.directory, 'app.mjs'), APP);
  });

  after(() => rmSync(scratch, { recursive: true, force: true }));

  for (const name of ['esbuild', 'rollup', 'ncc'] as const) {
    test(name, (t) => {
      let bin: string;
      try {
        bin = fetched(name);
      } catch (error) {
        return t.skip(`${name} cannot be fetched: ${(error as Error).message}`);
      }
      const [command = '', ...args] = commandOf(name);
      const { directory } = project;
      rmSync(join(directory, 'dist'), { recursive: true, force: true });
      execFileSync(command, args, {
        cwd: directory,
        env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` },
        stdio: 'pipe',
      });
      // Away from the sources, with what the guide says to ship.
      const shipped = join(scratch, `shipped-${name}`);
      mkdirSync(shipped);
      symlinkSync(join(directory, 'node_modules'), join(shipped, 'node_modules'));
      const file = name === 'ncc' ? 'index.mjs' : 'app.mjs';
      execFileSync('cp', ['-r', join(directory, 'dist'), shipped]);
      const bundle = join(shipped, 'dist', file);
      assert.doesNotMatch(readFileSync(bundle, 'utf8'), /own\.mjs['"]/);
      const printed = execFileSync(process.execPath, [bundle], {
        encoding: 'utf8',
        env: project.env(),
        timeout: 60_000,
        killSignal: 'SIGKILL',
      });
      assert.deepEqual(printed.trim().split('\n').sort(), ['7', 'served']);
    });
  }
});

// npm run lint:package: packs what would be published, and has publint and attw look at it. Needs
// node_modules/ only.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

function run(name, ...args) {
  const { status, error } = spawnSync(name, args, { cwd: root, stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) process.exitCode = 1;
}

const folder = mkdtempSync(join(tmpdir(), 'daemonkit-pack-'));
try {
  // With prepack, which makes the package's package.json; that has no prepare, which would build
  // the addon again.
  const pack = ['pack', '--json', '--pack-destination', folder];
  const [{ filename }] = JSON.parse(execFileSync('npm', pack, { cwd: root, encoding: 'utf8' }));
  const tarball = join(folder, filename);
  run('publint', 'run', tarball, '--strict');
  run('attw', tarball, '--profile', 'esm-only', '--no-emoji', '--format', 'ascii');
} finally {
  rmSync(folder, { recursive: true });
}

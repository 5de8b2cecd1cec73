// examples/logrotate, as Debian's logrotate runs them.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ask, Nest, until } from './tools/daemons.js';
import { needsLogrotate } from './tools/needs.js';

const NOBODY = 65534;
const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** Runs an example with the words of this test for its own, at once (-f). */
function rotate(nest: Nest, example: string, log: string): void {
  const reload = `${process.execPath} ${path('../lib/cli/bin.js')} reload`;
  const text = readFileSync(path(`../../examples/logrotate/${example}`), 'utf8')
    .replace(/^\/.*\.log/m, log)
    .replaceAll(/\bhello (hello|adm)$/gm, 'nobody nogroup')
    .replace('daemonkit reload', reload)
    .replace('/run/hello.pid', nest.pidfile);
  const config = join(nest.directory, 'logrotate.conf');
  writeFileSync(config, text, { mode: 0o644 });
  const args = ['-f', '-s', join(nest.directory, 'state'), config];
  const { status, stderr, stdout } = spawnSync('logrotate', args, {
    encoding: 'utf8',
    env: nest.env({ PATH: `/usr/sbin:/usr/bin:/sbin:/bin:${process.env.PATH}` }),
  });
  assert.deepEqual([status, stderr], [0, ''], stdout);
}

for (const [example, chroot] of [
  ['hello-chroot', true],
  ['hello-var-log', false],
] as const) {
  test(`${example}: each request is in the file of its time`, needsLogrotate, async (t) => {
    const nest = new Nest(t);
    chmodSync(nest.directory, 0o755);
    const logs = join(nest.directory, 'log');
    mkdirSync(logs);
    if (chroot) chownSync(logs, NOBODY, NOBODY);
    const log = join(logs, 'hello.log');
    const options = { user: 'nobody', log, reopenOn: 'SIGHUP' as const };
    const { pid, port } = await nest.start('serve', {
      ...options,
      ...(chroot ? { chroot: nest.directory } : {}),
    });
    const words = 'to stdout\nto stderr\nwritten to process.stdout\n';
    const read = (name: string) => readFileSync(name, 'utf8');
    await ask(port, '/log');
    assert.equal(read(log), words);
    for (let rotation = 0; rotation < 2; rotation++) {
      rotate(nest, example, log);
      const { uid, mode } = statSync(log);
      assert.deepEqual([uid, mode & 0o777], [NOBODY, 0o640]);
      // The signal may come later than the request.
      const before = read(`${log}.1`);
      await until('it writes to the new file', () => {
        const open = `/proc/${pid}/fd/1`;
        return statSync(open).ino === statSync(log).ino;
      });
      assert.equal(read(`${log}.1`), before, 'nothing went wrong');
      await ask(port, '/log');
      assert.equal(read(log), words);
    }
    assert.equal(execFileSync('zcat', [`${log}.2.gz`], { encoding: 'utf8' }), words);
    await nest.end(pid);
  });
}

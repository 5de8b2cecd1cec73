import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { needsRoot, needsRootAndStrace } from './tools/needs.js';
import { entry, runScript, scriptCommand } from './tools/script.js';

const jail = mkdtempSync(join(tmpdir(), 'daemonkit-chroot-'));
writeFileSync(join(jail, 'inside'), '');
mkdirSync(join(jail, 'sub'));
after(() => rmSync(jail, { recursive: true }));

/** Runs a script to its first line of output and returns its root and cwd from the kernel. */
async function rootAndCwd(call: string): Promise<{ root: string; cwd: string; said: string }> {
  const script = `${call}; console.log(process.cwd()); setInterval(() => {}, 1e6);`;
  const [command = '', ...args] = scriptCommand(script);
  const child = spawn(command, args, { cwd: '/usr', stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const [said] = await once(child.stdout.setEncoding('utf8'), 'data');
    const of = (name: string) => readlinkSync(`/proc/${child.pid}/${name}`);
    return { root: of('root'), cwd: of('cwd'), said };
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
}

test(
  'root and working directory change together, for the kernel and for process.cwd()',
  needsRoot,
  async () => {
    const inside = { root: jail, cwd: jail, said: '/\n' };
    const path = JSON.stringify(jail);
    const url = JSON.stringify(pathToFileURL(jail).href);
    // process.cwd() first, so that there is a cached answer that could be stale.
    assert.deepEqual(await rootAndCwd(`process.cwd(); daemonkit.chroot(${path})`), inside);
    assert.deepEqual(await rootAndCwd(`daemonkit.chroot(new URL(${url}))`), inside);
    assert.deepEqual(await rootAndCwd(`daemonkit.chroot(${path}, { chdir: true })`), inside);
  },
);

test('{ chdir: false } is the bare call', needsRoot, async () => {
  const call = `process.cwd(); daemonkit.chroot(${JSON.stringify(jail)}, { chdir: false })`;
  assert.deepEqual(await rootAndCwd(call), { root: jail, cwd: '/usr', said: '/usr\n' });
});

test('no relative path leads out, which the bare call lets happen', needsRoot, () => {
  const look = `process.chdir('../../../../../..');
    console.log(fs.existsSync('inside'), fs.existsSync('etc/passwd'));`;
  const kept = runScript(`daemonkit.chroot(${JSON.stringify(jail)}); ${look}`);
  assert.deepEqual([kept.stdout, kept.stderr], ['true false\n', '']);
  const bare = runScript(`daemonkit.chroot(${JSON.stringify(jail)}, { chdir: false }); ${look}`);
  assert.deepEqual([bare.stdout, bare.stderr], ['false true\n', '']);
});

const report = `const report = (f) => { try { f(); console.log('done'); } catch (error) {
    console.log(JSON.stringify({ ...error, message: error.message }));
  } };`;

test('errors name the call and the path, and change nothing', needsRoot, () => {
  const attempt = (before: string, path: string) => {
    const ran = runScript(`${report} ${before}
      report(() => daemonkit.chroot(${JSON.stringify(path)}));
      console.log(fs.existsSync('/etc/passwd'), fs.readlinkSync('/proc/self/root'));`);
    assert.equal(ran.stderr, '');
    const [error = '', rest] = ran.stdout.split('\n');
    assert.equal(rest, 'true /');
    return JSON.parse(error);
  };
  const missing = join(jail, 'missing');
  assert.deepEqual(attempt('', missing), {
    message: `ENOENT: no such file or directory, chroot '${missing}'`,
    errno: -2,
    code: 'ENOENT',
    syscall: 'chroot',
    path: missing,
  });
  assert.equal(attempt('', join(jail, 'inside')).code, 'ENOTDIR');
  assert.deepEqual(attempt('process.setgid(65534); process.setuid(65534);', '/usr'), {
    message: "EPERM: operation not permitted, chroot '/usr' (needs root, or CAP_SYS_CHROOT)",
    errno: -1,
    code: 'EPERM',
    syscall: 'chroot',
    path: '/usr',
  });
});

test('a failed chdir after the chroot says that the root has changed', needsRootAndStrace, () => {
  const ran = runScript(`${report} report(() => daemonkit.chroot(${JSON.stringify(jail)}));`, {
    via: ['strace', '-o', '/dev/null', '-e', 'inject=chdir:error=EACCES'],
  });
  assert.deepEqual(JSON.parse(ran.stdout), {
    message: "EACCES: the root directory was changed, but not the working directory, chdir '/'",
    errno: -13,
    code: 'EACCES',
    syscall: 'chdir',
    path: '/',
  });
});

test('a Worker may not change the root of all', needsRoot, () => {
  const file = join(jail, 'worker.mjs');
  writeFileSync(file, `import { chroot } from ${JSON.stringify(entry)}; chroot('/usr');`);
  const ran = runScript(`
    import { Worker } from 'node:worker_threads';
    const worker = new Worker(${JSON.stringify(file)}, { execArgv: [] });
    worker.on('error', (error) => console.log(error.name, error.code));
    worker.on('exit', () => console.log(fs.readlinkSync('/proc/self/root')));`);
  assert.deepEqual(
    [ran.stdout, ran.stderr],
    ['TypeError ERR_WORKER_UNSUPPORTED_OPERATION\n/\n', ''],
  );
});

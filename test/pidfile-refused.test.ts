// What becomes of a pidfile when others had a hand in it, or the disk is full.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  linkSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Pidfile } from 'daemonkit';
import { Nest } from './tools/daemons.js';
import { needs, needsRoot } from './tools/needs.js';
import { scratch } from './tools/scratch.js';
import { linesOf, runScript } from './tools/script.js';

const NOBODY = 65534;

/** Ways to put a file there that root must not touch; each gives the words of the refusal. */
const traps: Record<string, (path: string) => { code: string; words: RegExp }> = {
  'a symbolic link': (path) => {
    symlinkSync(`${path}.precious`, path);
    return { code: 'ELOOP', words: /^ELOOP: refused: it is a symbolic link, open '/ };
  },
  'a symbolic link to nothing': (path) => {
    symlinkSync(`${path}.none`, path);
    return { code: 'ELOOP', words: /it is a symbolic link/ };
  },
  'a directory that everybody may write to': (path) => {
    chmodSync(join(path, '..'), 0o777);
    return {
      code: 'EPERM',
      words: /^EPERM: refused to root: everybody may write to the directory/,
    };
  },
  'such a directory further up': (path) => {
    chmodSync(join(path, '../..'), 0o777);
    return { code: 'EPERM', words: /everybody may write to the directory/ };
  },
  "a user's symbolic link on the way": (path) => {
    lchownSync(join(path, '..'), NOBODY, NOBODY);
    return { code: 'EPERM', words: /the symbolic link .* belongs to user 65534/ };
  },
  "a user's file": (path) => {
    writeFileSync(path, '1\n');
    chownSync(path, NOBODY, NOBODY);
    return { code: 'EPERM', words: /the file belongs to user 65534, open '/ };
  },
  'a file that everybody may write to': (path) => {
    writeFileSync(path, '1\n');
    chmodSync(path, 0o666);
    return { code: 'EPERM', words: /everybody may write to the file/ };
  },
  'a file that a group may write to': (path) => {
    writeFileSync(path, '1\n');
    chownSync(path, 0, NOBODY);
    chmodSync(path, 0o664);
    return { code: 'EPERM', words: /group 65534 may write to the file/ };
  },
  'a second name of another file': (path) => {
    linkSync(`${path}.precious`, path);
    return { code: 'EPERM', words: /hard link/ };
  },
  'a FIFO': (path) => {
    execFileSync('mkfifo', [path]);
    return { code: 'EINVAL', words: /^EINVAL: not a regular file, open '/ };
  },
  'a directory': (path) => {
    mkdirSync(path);
    return { code: 'EISDIR', words: /EISDIR/ };
  },
};

for (const [name, lay] of Object.entries(traps)) {
  test(`root refuses ${name}`, needsRoot, (t) => {
    // Reached by a link, as /var/run is one to /run.
    const top = scratch(t);
    mkdirSync(join(top, 'real/run'), { recursive: true });
    symlinkSync('real/run', join(top, 'run'));
    const path = join(top, 'run/d.pid');
    writeFileSync(`${path}.precious`, 'precious');
    const { code, words } = lay(path);
    const before = existsSync(path);
    assert.throws(() => Pidfile.open(path), { code, syscall: 'open', path, message: words });
    assert.equal(existsSync(path), before, 'nothing is made');
    assert.equal(readFileSync(`${path}.precious`, 'utf8'), 'precious');
  });
}

test('in a directory with the sticky bit a file of root is as good as any', needsRoot, (t) => {
  const directory = scratch(t);
  chmodSync(directory, 0o1777);
  const pidfile = Pidfile.open(join(directory, 'd.pid'));
  pidfile.write();
  assert.equal(pidfile.remove(), true);
});

test('an ordinary user keeps its own rules, but for links', needsRoot, (t) => {
  const directory = scratch(t);
  chmodSync(directory, 0o777);
  symlinkSync('d.pid', join(directory, 'link'));
  const said = linesOf(
    `process.setgid(${NOBODY}); process.setuid(${NOBODY});
    const path = process.argv[1];
    const pidfile = daemonkit.Pidfile.open(path + '/d.pid', 0o666);
    pidfile.write(7);
    let code;
    try { daemonkit.Pidfile.open(path + '/link'); } catch (error) { ({ code } = error); }
    fs.writeSync(1, JSON.stringify([fs.readFileSync(path + '/d.pid', 'utf8'), code, pidfile.remove()]));`,
    { args: [directory] },
  );
  assert.deepEqual(said, [['7\n', 'ELOOP', true]]);
});

test('the launcher tells the refusal', needsRoot, async (t) => {
  const nest = new Nest(t);
  chmodSync(nest.directory, 0o777);
  const { code, stderr } = await nest.fails('serve');
  assert.equal(code, 1);
  assert.match(stderr, /EPERM: refused to root: everybody may write to the directory/);
});

test(
  'on a full disk: ENOSPC, no pid is half written, and no daemon is left',
  needs('root', 'unshare', 'mount'),
  (t) => {
    const nest = new Nest(t);
    const disk = join(nest.directory, 'disk');
    mkdirSync(disk);
    const full = (command: string[]) => {
      const script = `mount -t tmpfs -o size=16k none ${disk} &&
      { head -c 100000 /dev/zero > ${disk}/filler 2> /dev/null; "$@"; code=$?; ls ${disk}; exit $code; }`;
      return ['unshare', '-m', 'sh', '-c', script, 'sh', ...command];
    };
    const source = `const pidfile = daemonkit.Pidfile.open('${disk}/d.pid');
    try { pidfile.write(); } catch ({ code, syscall, path }) {
      console.log(code, syscall, path, fs.readFileSync(path).length, pidfile.remove());
    }`;
    const { stdout, stderr } = runScript(source, { via: full([]) });
    assert.deepEqual([stderr, stdout], ['', `ENOSPC write ${disk}/d.pid 0 true\nfiller\n`]);

    const [file = '', ...args] = full(nest.command('serve', { pidfile: `${disk}/d.pid` }));
    const launch = spawnSync(file, args, { env: nest.env(), encoding: 'utf8' });
    assert.equal(launch.status, 1);
    assert.match(launch.stderr, /step pidfile: ENOSPC: no space left on device, write '.*\/d.pid'/);
    assert.match(launch.stdout, /\nfiller\n$/, 'no pidfile is left');
    assert.deepEqual(nest.processes(), []);
  },
);

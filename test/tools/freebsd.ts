// FreeBSD, as lib/ sees it: process.platform, an addon that answers as cpp/sys does there, and ps(1); no /proc. For
// `node --import`, before daemonkit is loaded. What the kernel would say is read from Linux's /proc, which
// DAEMONKIT_PROC names, and put as descriptor_list_freebsd.cc puts it. Numbers of signals and errors stay Linux's.
import { constants as fs, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Native } from '../../lib/addon/functions.js';

const { S_IRUSR, S_IWUSR } = fs;
const { ENOSYS, ESRCH, EPERM } = constants.errno;
const root = fileURLToPath(new URL('../../..', import.meta.url));
const require = createRequire(import.meta.url);
const PROC = process.env.DAEMONKIT_PROC ?? '/proc';

type OpenFile = ReturnType<Native['fileDescriptors']>[number];

/** Kinds of KF_TYPE_* but for vnodes; both ends of a pipe have one name. */
const KINDS: [RegExp, string][] = [
  [/^pipe:\[(\d+)\]$/, 'pipe'],
  [/^socket:\[(\d+)\]$/, 'socket'],
  // What libuv waits with, and what waits for a process.
  [/^anon_inode:\[(eventpoll|pidfd)\]$|^pidfd:/, 'kqueue'],
  [/^anon_inode:\[eventfd\]$/, 'eventfd'],
  [/^\/memfd:/, 'memfd'],
  [/^anon_inode:/, 'other'],
];

function recordOf(folder: string, fd: number): OpenFile {
  const link = `${folder}/${fd}`;
  const target = readlinkSync(link);
  const mode = lstatSync(link).mode;
  const access = (mode & S_IRUSR ? 1 : 0) + (mode & S_IWUSR ? 2 : 0);
  for (const [pattern, kind] of KINDS) {
    const [found, number = '0'] = pattern.exec(target) ?? [];
    if (found === undefined) continue;
    // A pipe's end is identified by its address; the system shows none for the others.
    if (kind === 'pipe' || kind === 'socket') {
      return [fd, kind, `${kind}:[${Number(number).toString(16)}]`, kind === 'pipe' ? access : 3];
    }
    return [fd, kind, `${kind}:[0]`, access];
  }
  // The kernel forgets the path of a file that was removed.
  const inode = / \(deleted\)$/.test(target) ? lstatSync(link, { bigint: true }).ino : undefined;
  return [fd, '', inode === undefined ? target : `file:[${inode.toString(16)}]`, access];
}

/** kern.proc.filedesc. */
function fileDescriptors(pid: number): OpenFile[] {
  const folder = `${PROC}/${pid}/fd`;
  try {
    return readdirSync(folder).flatMap((fd) => {
      try {
        return [recordOf(folder, Number(fd))];
      } catch {
        return []; // of the listing itself
      }
    });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return [[code === 'ENOENT' ? -ESRCH : -EPERM, '', '', 0]];
  }
}

/** As node-gyp-build finds it, which looks at the platform. */
function binary(): Native {
  const load = require('node-gyp-build') as (folder: string) => Native;
  try {
    return load(`${root}cpp`);
  } catch {
    return load(root);
  }
}

const no = () => -ENOSYS;
const answers: Partial<Native> = {
  fileDescriptors,
  sameOpenFile: no,
  pidfdOpen: no,
  pidfdSendSignal: no,
  anonymousFile: no,
  steer: no,
  hasCapabilities: () => 0,
};
const { version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { version: string };
const real = binary();
// Where lib/addon/binary.ts looks for what another copy has loaded.
Object.defineProperty(globalThis, Symbol.for(`daemonkit.native.${version}`), {
  value: Object.assign(Object.create(real), answers),
});
Object.defineProperty(process, 'platform', { value: 'freebsd' });

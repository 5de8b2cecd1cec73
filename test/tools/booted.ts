// systemd as process 1 of namespaces of its own, in a Debian of its own (roots.ts): the machine's files, processes,
// cgroups and ports are not in it. What it writes is in memory. All of it ends with this program, however that ends.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { cleanEnvironment } from './environment.js';
import { childrenOf } from './proc.js';

const project = fileURLToPath(new URL('../../..', import.meta.url));

/** Where the repository is in there. */
export const PROJECT = '/opt/daemonkit';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

// The root lies over its own folder, so that nothing has to be made and removed for it. Of /dev a service needs the
// plain devices. /proc/sys can only be read: fs.nr_open, which systemd raises when it starts, is the machine's. What is a
// timer's would fetch lists of packages, and nobody has kernel modules. systemd reads by `container` where it is; without
// a console it says nothing but to its journal.
const BOOT = `set -e
root=$1 project=$2 node=$3
mount -t tmpfs -o mode=755 daemonkit "$root/mnt"
mkdir "$root/mnt/upper" "$root/mnt/work"
mount -t overlay -o "lowerdir=$root,upperdir=$root/mnt/upper,workdir=$root/mnt/work" overlay "$root"
cd "$root"
mkdir -p .host opt/daemonkit
touch usr/bin/node
mount --bind -o ro "$project" opt/daemonkit
mount --bind -o ro "$node" usr/bin/node
mount -t proc proc proc
for name in sys sysrq-trigger; do
  [ ! -e proc/$name ] || { mount --bind proc/$name proc/$name; mount -o remount,bind,ro proc/$name; }
done
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom tty; do touch dev/$name; mount --bind /dev/$name dev/$name; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs run
tr -d - < /proc/sys/kernel/random/uuid > etc/machine-id
rm -f etc/systemd/system/timers.target.wants/*
ln -s /dev/null etc/systemd/system/systemd-modules-load.service
pivot_root . .host
umount -l /.host
rmdir /.host
exec env -i container=daemonkit PATH=${PATH} /lib/systemd/systemd --unit=basic.target >/dev/null 2>&1`;

/** The folder where control groups of version 2 are, if any. */
function cgroupFolder(): string | undefined {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return mounts.map((line) => line.split(' ')).find(([, , type]) => type === 'cgroup2')?.[1];
}

/** A control group for what is booted, or why there is none. */
function controlGroup(): { folder: string } | { skip: string } {
  const parent = cgroupFolder();
  if (parent === undefined) {
    return { skip: 'systemd needs control groups; no cgroup2 file system is mounted here' };
  }
  const folder = join(parent, `daemonkit-${process.pid}`);
  try {
    mkdirSync(folder);
    return { folder };
  } catch (error) {
    return { skip: `no control group can be made: ${(error as Error).message}` };
  }
}

/** Why no system can be booted here, or false. */
export function bootObstacle(): string | false {
  const group = controlGroup();
  if ('skip' in group) return group.skip;
  rmdirSync(group.folder);
  const flags = ['--mount', '--uts', '--ipc', '--net', '--pid', '--fork', '--cgroup'];
  const { status, stderr } = spawnSync('unshare', [...flags, 'true'], { encoding: 'utf8' });
  return status !== 0 && `no namespaces can be made: ${stderr.trim()}`;
}

// Reads until this program has ended, killed or not; its own session keeps it from ^C. The groups are free when
// their processes are gone.
const SWEEP = `cat >/dev/null
for i in $(seq 200); do
  [ -d "$1" ] || exit 0
  find "$1" -depth -type d -exec rmdir {} + 2>/dev/null
  sleep 0.05
done
exit 1`;

/** A system that was booted. */
export class Booted implements AsyncDisposable {
  readonly #starter: ChildProcess;
  readonly #sweeper: ChildProcess;
  readonly #group: string;
  /** Process 1, by its number here. */
  readonly #first: number;

  private constructor(starter: ChildProcess, sweeper: ChildProcess, group: string, first: number) {
    this.#starter = starter;
    this.#sweeper = sweeper;
    this.#group = group;
    this.#first = first;
  }

  /**
   * @param root - the folder of a Debian with systemd.
   * @param node - the Node that is /usr/bin/node in there.
   */
  static async start(root: string, node = process.execPath): Promise<Booted> {
    const group = controlGroup();
    if ('skip' in group) throw new Error(group.skip);
    const sweeper = spawn('sh', ['-c', SWEEP, 'sh', group.folder], {
      detached: true,
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    const namespaces = ['--mount', '--uts', '--ipc', '--net', '--pid', '--fork', '--cgroup'];
    const starter = spawn(
      'sh',
      [
        ...['-c', 'echo $$ >"$0/cgroup.procs" && exec "$@"', group.folder],
        ...['setpriv', '--pdeathsig', 'KILL', 'unshare', ...namespaces, '--kill-child'],
        ...['sh', '-c', BOOT, 'sh', root, project, node],
      ],
      { detached: true, stdio: ['ignore', 'inherit', 'inherit'], env: cleanEnvironment() },
    );
    let first: number | undefined;
    while (first === undefined && starter.exitCode === null) {
      await sleep(20);
      // The shell becomes setpriv and unshare; theirs is the child.
      first = childrenOf(starter.pid as number)[0];
    }
    const system = new Booted(starter, sweeper, group.folder, first ?? 0);
    try {
      await system.#untilUp();
    } catch (error) {
      await system[Symbol.asyncDispose]();
      throw error;
    }
    return system;
  }

  /** The command that runs what follows in there. */
  get enter(): string[] {
    const into = ['--mount', '--uts', '--ipc', '--net', '--pid', '--cgroup'];
    const clean = ['env', '-i', `PATH=${PATH}`, 'HOME=/root', 'LANG=C.UTF-8'];
    return ['nsenter', '--target', `${this.#first}`, ...into, ...clean];
  }

  /** Runs a command in there. */
  run(...command: string[]): { status: number | null; stdout: string; stderr: string } {
    const [file = '', ...args] = [...this.enter, ...command];
    return spawnSync(file, args, { encoding: 'utf8', timeout: 60_000 });
  }

  async #untilUp(): Promise<void> {
    let state = '';
    for (const end = performance.now() + 120_000; performance.now() < end; await sleep(200)) {
      if (this.#starter.exitCode !== null) throw new Error('process 1 has ended');
      const { stdout, stderr } = this.run('systemctl', 'is-system-running');
      state = stdout.trim() || stderr.trim();
      if (state === 'running') return;
      if (state === 'degraded') {
        throw new Error(`systemd: ${this.run('systemctl', '--failed', '--plain').stdout}`);
      }
    }
    throw new Error(`systemd is not up: ${state}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = [this.#starter, this.#sweeper].map((child) =>
      child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined,
    );
    this.#starter.kill('SIGKILL');
    await ended[0];
    this.#sweeper.stdin?.end();
    await ended[1];
    if (this.#sweeper.exitCode !== 0) throw new Error(`${this.#group} is left behind`);
  }
}

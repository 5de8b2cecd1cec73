// A virtual machine of arm64: Debian's kernel under qemu-system-aarch64, without KVM, on a disk that is made for one run
// and thrown away. It does what a script of sh says, and ends.
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { tail } from './failures.js';
import { needs } from './needs.js';

export const needsMachine = needs(
  ...['root', 'debootstrap', 'unshare', 'mount', 'setpriv', 'cpio', 'mke2fs', 'xz'],
  'qemu-system-aarch64',
);

/** What the root must have besides, for its kernel and for what runs before the disk is there. */
export const KERNEL_PACKAGES = ['linux-image-arm64', 'busybox-static'];

export function run(program: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  if (status !== 0) throw error ?? new Error(`${program}:\n${tail(stdout + stderr)}`);
  return stdout;
}

/** What the disk and its file system need: modules in Debian's kernel, if they are not in it. */
const MODULES = ['virtio_mmio', 'virtio_blk', 'crc32c_generic', 'crc32c-arm64', 'ext4'];

/** Copies modules without their compression, and tells the order in which they can be loaded. */
function copyModules(from: string, to: string): string[] {
  const files = new Map(
    readdirSync(from, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.ko(\.xz)?$/.test(name))
      .map((name) => [
        basename(name)
          .replace(/\.ko(\.xz)?$/, '')
          .replaceAll('-', '_'),
        name,
      ]),
  );
  const order: string[] = [];
  const add = (module: string) => {
    const name = module.replaceAll('-', '_');
    const file = files.get(name);
    if (file === undefined || order.includes(name)) return;
    const there = join(to, `${name}.ko`);
    const read = file.endsWith('.xz') ? 'xz -dc "$1" > "$2"' : 'cp "$1" "$2"';
    run('sh', '-c', read, 'sh', join(from, file), there);
    // modules.dep is made when the package is set up, which it is not. The module itself tells as much.
    const [, needed = ''] = /\0depends=([^\0]*)\0/.exec(readFileSync(there, 'latin1')) ?? [];
    for (const one of needed.split(',').filter(Boolean)) add(one);
    order.push(name);
  };
  for (const module of MODULES) add(module);
  return order;
}

// Which of the disks has the file system is asked: their order is the kernel's.
const FIRST = `#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do insmod /modules/$module.ko || echo "no module $module"; done
i=0
while [ ! -b /dev/vda ] || [ ! -b /dev/vdb ]; do
  i=$((i + 1)); if [ $i -gt 100 ]; then echo "no disk"; poweroff -f; fi; sleep 0.2
done
root=/dev/vda; script=/dev/vdb
if ! mount -t ext4 $root /root 2>/dev/null; then root=/dev/vdb; script=/dev/vda; mount -t ext4 $root /root || poweroff -f; fi
mount --move /dev /root/dev
exec switch_root /root /bin/sh /first.sh $script
`;

// The shell stays as process 1, which reaps.
const SECOND = `export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
export PREBUILDS_ONLY=1 FORK_HOST_PATIENCE=600
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /dev/shm /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t devpts -o gid=5,mode=620 devpts /dev/pts
ln -s /proc/self/fd /dev/fd
ip link set lo up
# What a process died of is told in the kernel's log.
echo 1 > /proc/sys/debug/exception-trace
mkfifo /run/pipe
seconds() { cut -d' ' -f1 /proc/uptime; }
step() {
  name=$1; shift
  printf '\\n@@begin %s %s\\n' "$name" "$(seconds)"
  # Through a pipe: on a terminal the error of a test has colours.
  cat < /run/pipe & reader=$!
  "$@" < /dev/null > /run/pipe 2>&1
  status=$?
  wait $reader
  printf '\\n@@end %s %s %s\\n' "$name" $status "$(seconds)"
}
cd /daemonkit
tr -d '\\0' < $1 > /run/script.sh
. /run/script.sh
printf '\\n@@off\\n'
sleep 1
busybox poweroff -f
`;

export interface Machine {
  kernel: string;
  initramfs: string;
  disk: string;
  /** What Debian calls this kernel: 6.12.57+deb13-arm64. */
  release: string;
  folder: string;
}

/**
 * Makes a machine in an empty folder.
 * @param tree A file tree that becomes its disk, and that these lines add two files to.
 * @param root A Debian with {@link KERNEL_PACKAGES}, unpacked.
 */
export function makeMachine(folder: string, root: string, tree: string): Machine {
  const [release = ''] = readdirSync(join(root, 'usr/lib/modules'));
  const first = join(folder, 'first');
  for (const name of ['bin', 'dev', 'proc', 'sys', 'root', 'modules']) {
    mkdirSync(join(first, name), { recursive: true });
  }
  const busybox = join(root, 'usr/bin/busybox');
  cpSync(busybox, join(first, 'bin/busybox'), { dereference: true });
  const order = copyModules(join(root, 'usr/lib/modules', release), join(first, 'modules'));
  writeFileSync(join(first, 'modules/order'), order.join('\n'));
  writeFileSync(join(first, 'init'), FIRST);
  chmodSync(join(first, 'init'), 0o755);
  const initramfs = join(folder, 'initramfs');
  run('sh', '-c', 'cd "$1" && find . | cpio --quiet -o -H newc > "$2"', 'sh', first, initramfs);
  writeFileSync(join(tree, 'first.sh'), SECOND);
  const disk = join(folder, 'disk');
  const used = Number(run('du', '-sm', tree).split('\t')[0]);
  run('mke2fs', '-q', '-t', 'ext4', '-d', tree, disk, `${used + (used >> 2) + 512}M`);
  return { kernel: join(root, `boot/vmlinuz-${release}`), initramfs, disk, release, folder };
}

export interface Step {
  name: string;
  /** The exit status; undefined if it has not ended. */
  status?: number;
  /** As the machine's clock has it. */
  seconds: number;
  printed: string;
}

export interface Boot {
  steps: Step[];
  seconds: number;
  /** Why it has not come to the script's end. */
  broken?: string;
}

export interface BootOptions {
  cpu: string;
  /** Minutes until it is given up. */
  patience: number;
  /** Hears each line. */
  onLine?: (line: string) => void;
}

/** Boots, and runs a script, in which `step NAME COMMAND...` is one thing that can fail. Tells of each. */
export async function boot(
  { kernel, initramfs, disk, folder }: Machine,
  script: string,
  { cpu, patience, onLine }: BootOptions,
): Promise<Boot> {
  const file = join(folder, 'script');
  // A disk has whole sectors.
  writeFileSync(file, script.padEnd(Math.ceil((script.length + 1) / 4096) * 4096, '\n'));
  const drive = (path: string, id: string) => [
    ...['-drive', `file=${path},format=raw,if=none,id=${id},snapshot=on,cache=unsafe`],
    ...['-device', `virtio-blk-device,drive=${id}`],
  ];
  const args = [
    ...['--pdeathsig', 'KILL', 'nice', '-n', '15', 'qemu-system-aarch64'],
    ...['-machine', 'virt,gic-version=3', '-accel', 'tcg,thread=multi', '-cpu', cpu],
    ...['-smp', '2', '-m', '3G', '-nodefaults', '-display', 'none', '-no-reboot'],
    ...['-serial', 'stdio', '-kernel', kernel, '-initrd', initramfs],
    ...['-append', 'console=ttyAMA0 loglevel=4 panic=-1'],
    ...drive(disk, 'root'),
    ...drive(file, 'script'),
  ];
  const start = performance.now();
  const machine = spawn('setpriv', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const timer = setTimeout(() => machine.kill('SIGKILL'), patience * 60_000);
  const steps: Step[] = [];
  let now: Step | undefined;
  let log = '';
  machine.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  const lines = createInterface({ input: machine.stdout });
  lines.on('line', (raw) => {
    const line = raw.replaceAll('\r', '');
    log += `${line}\n`;
    onLine?.(line);
    const [, what, name = '', ...numbers] =
      /^@@(begin|end) (\S+) (\S+)(?: (\S+))?$/.exec(line) ?? [];
    if (what === 'begin') {
      now = { name, seconds: Number(numbers[0]), printed: '' };
      steps.push(now);
    } else if (what === 'end' && now !== undefined) {
      now.status = Number(numbers[0]);
      now.seconds = Math.round(Number(numbers[1]) - now.seconds);
      now = undefined;
    } else if (now !== undefined) now.printed += `${line}\n`;
  });
  const [status] = await new Promise<[number | null]>((resolve, reject) => {
    machine.on('error', reject).on('close', (...end) => resolve([end[0]]));
  });
  clearTimeout(timer);
  const seconds = Math.round((performance.now() - start) / 1000);
  if (status === 0 && log.includes('\n@@off\n')) return { steps, seconds };
  const why = status === null ? `was given up after ${seconds} seconds` : `ended with ${status}`;
  return { steps, seconds, broken: `the machine ${why}:\n${tail(log)}` };
}

// A network namespace with many addresses on its loopback interface: the C library asks the kernel
// for all of them before it looks up a name, and the longer the answer, the more forks come in
// between.
import { spawnSync } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { setParentDeathSignal } from 'daemonkit';

const mark = 'DAEMONKIT_STRESS_NETWORK';

const setUp = `ip link set lo up &&
i=0; while [ $i -lt "$0" ]; do
  echo "addr add 10.9.$((i / 250)).$((i % 250 + 1))/32 dev lo"; i=$((i + 1))
done | ip -batch - && exec "$@"`;

/**
 * Runs this program again in such a network and ends with its exit code, or returns in words what
 * the look-ups will meet.
 */
export function inNetwork(addresses: number): string {
  const met = Object.values(networkInterfaces()).flat().length;
  if (process.env[mark]) {
    setParentDeathSignal('SIGTERM'); // its starter is only waiting
    return `look-ups meet ${met} addresses`;
  }
  const why = (reason: string) => `look-ups meet ${met} addresses: ${reason}`;
  if (process.getuid?.() !== 0) return why('only root has a network of its own');
  if (spawnSync('unshare', ['-n', 'ip', 'link']).status !== 0) {
    return why('no network of its own (needs unshare(1) and ip(8))');
  }
  const self = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const { status, signal } = spawnSync(
    'unshare',
    ['-n', 'sh', '-c', setUp, `${addresses}`, ...self],
    { stdio: 'inherit', env: { ...process.env, [mark]: '1' } },
  );
  if (signal) process.kill(process.pid, signal);
  process.exit(status ?? 1);
}

// What a container is as far as processes go: a PID namespace with a first process, to be entered.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { until } from './daemons.js';
import { needs } from './needs.js';
import { childrenOf } from './proc.js';

export const needsContainer = needs('root', 'unshare', 'nsenter');

/** Makes one; gives the command that runs another command in it, as docker exec does. */
export async function container(t: TestContext): Promise<string[]> {
  const child = spawn(
    'unshare',
    ['--pid', '--fork', '--mount-proc', '--kill-child', 'sleep', '600'],
    {
      stdio: 'ignore',
    },
  );
  t.after(() => child.kill('SIGKILL'));
  await once(child, 'spawn');
  const first = await until('process 1', () => childrenOf(child.pid as number)[0]);
  return ['nsenter', '--target', `${first}`, '--pid', '--mount'];
}

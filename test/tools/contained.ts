// Commands that run another one in a part of what a container is; each of them execs.
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../../../test/tools/contained.py', import.meta.url));

/** See contained.py: '--seccomp docker', '--caps docker', '--map 0:100000:65536'. */
export const contained = (...options: string[]): string[] => [
  'python3',
  PROGRAM,
  ...options.flatMap((option) => option.split(' ')),
];

/** As `docker run` does it, but for the namespaces. */
export const DOCKER = contained('--seccomp docker', '--caps docker');

const PID_NAMESPACE = ['unshare', '--pid', '--fork', '--kill-child'];

/** As process 1 of a PID namespace. This command forks. */
export const AS_PROCESS_1 = [...PID_NAMESPACE, '--mount-proc'];

/** The same with the /proc of the namespace outside. */
export const OUTER_PROC = PID_NAMESPACE;

/** Runs the rest in a separate mount namespace, after these lines of sh. */
export const mounted = (...lines: string[]): string[] => {
  return ['unshare', '--mount', 'sh', '-ec', [...lines, 'exec "$@"'].join('\n'), 'sh'];
};

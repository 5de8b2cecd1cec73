// Children of a script that libuv does not know: exec keeps the children of a process, so a
// launcher starts them and then executes Node.
import assert from 'node:assert/strict';
import { runScript } from './script.js';

const launcher = `
import ctypes, os, sys
count = int(sys.argv[1])
pids = []
for command in sys.argv[2:2 + count]:
    pid = os.fork()
    if pid == 0:
        PR_SET_PDEATHSIG, SIGKILL = 1, 9  # none is left behind by a script that fails
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)
        os.execvp('sh', ['sh', '-c', command])
    pids.append(pid)
os.environ['CHILDREN'] = ' '.join(map(str, pids))
os.execvp(sys.argv[2 + count], sys.argv[2 + count:])
`;

/** The beginning of the command of a child that must wait until the script calls resume(). */
export const gate = 'kill -STOP $$;';

/** The command of a child that ends itself by a signal. */
export const killed = (signal: number | string) => `kill -${signal} $$`;

/** What a script's failure() makes of the error for a child that is not there. */
export const noChild = 'Error ECHILD -10 waitpid';

/**
 * Runs a script that has these shell commands as its children, and gives what it printed as JSON
 * lines by say(). In the script: `children`, their pids, and `gated(i)` and `resume(i)` for
 * {@link gate}; brief() and failure() for results and errors.
 */
export function withFamily(commands: string[], source: string, via: string[] = []): unknown[] {
  const prelude = `const { waitpid, waitpidAsync } = daemonkit;
    const children = process.env.CHILDREN.split(' ').map(Number);
    const gated = (i) => waitpid(children[i], { untraced: true }).stopped;
    const resume = (i) => process.kill(children[i], 'SIGCONT');
    const say = (value) => fs.writeSync(1, JSON.stringify(value) + '\\n');
    const brief = (r) => r && [children.indexOf(r.pid), r.exitCode, r.signal, r.stopped, r.continued];
    const failure = ({ name, code, errno, syscall }) => [name, code, errno, syscall].join(' ');
    const descriptors = () => fs.readdirSync('/proc/self/fd').length;
    `;
  const ran = runScript(prelude + source, {
    via: [...via, 'python3', '-c', launcher, `${commands.length}`, ...commands],
  });
  assert.deepEqual([ran.status, ran.signal, ran.stderr], [0, null, '']);
  return ran.stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

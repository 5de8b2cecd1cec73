// Children that are a script's own but not libuv's: whoever execs keeps its children, so a launcher
// starts them and then becomes Node.
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

/** Begins the command of a child that shall not go on before the script calls resume(). */
export const gate = 'kill -STOP $$;';

/** For runScript()'s `via`: one child per shell command; their pids are in {@link children}. */
export function withChildren(commands: string[]): string[] {
  return ['python3', '-c', launcher, `${commands.length}`, ...commands];
}

/** Defines, in a script, the array `children` and what goes with {@link gate}. */
export const children = `const { waitpid, waitpidAsync } = daemonkit;
const children = process.env.CHILDREN.split(' ').map(Number);
const gated = (i) => waitpid(children[i], { untraced: true }).stopped;
const resume = (i) => process.kill(children[i], 'SIGCONT');
`;

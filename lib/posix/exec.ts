// execve(2): another program in place of this one.

import { isMainThread } from 'node:worker_threads';
import { expectNode } from '../addon/host.js';
import { native } from '../addon/native.js';
import {
  check,
  invalidArgType,
  invalidArgValue,
  systemError,
  workerUnsupported,
} from '../base/errors.js';
import { cString, elements, fileDescriptors, filePath, options } from '../base/validate.js';
import { flushOutputs } from './outputs.js';

/** Options of {@link execve}. */
export interface ExecveOptions {
  /** Descriptors that the new program gets besides 0, 1 and 2. Default: none. */
  keep?: readonly number[] | undefined;
  /**
   * `reset`: the new program starts as from a shell: no signal is blocked, and only those of {@link
   * ignoreSignals} are ignored. `inherit`: it gets the mask and the ignored signals of this
   * process, including SIGPIPE and SIGXFSZ, which Node ignores. Default: `reset`.
   */
  signals?: 'reset' | 'inherit' | undefined;
}

/** How long the call waits for a reader of standard output that does not read. */
const LAST_WORDS_MS = 1000;

const SIGNALS = ['reset', 'inherit'];

function argumentsOf(value: unknown): string[] {
  const args = elements(value, 'args', cString);
  if (args.length > 0) return args;
  throw invalidArgValue('args', value, "must not be empty: the first one is the program's name");
}

/** The environment in the form of environ(7). */
function environmentOf(value: unknown): string[] {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw invalidArgType('env', 'of type object', value);
  }
  return Object.entries(value).flatMap(([name, one]) => {
    if (one === undefined) return [];
    if (name === '' || name.includes('=')) {
      throw invalidArgValue(`env.${name}`, one, 'must have a name, without =');
    }
    return `${cString(name, 'env')}=${cString(one, `env.${name}`)}`;
  });
}

/**
 * Executes another program in place of this one, in the same process. Pid, parent, children,
 * session, working directory, umask, limits and credentials stay. The call returns only if it
 * fails.
 *
 * ```ts
 * closeInherited();
 * execve('/usr/sbin/hello', ['hello', '--foreground'], { PATH: '/usr/bin:/bin' });
 * ```
 *
 * This program ends as by {@link _exit}: no 'exit' listener runs, and Worker threads end. A pidfile
 * stays, and is unlocked unless its `fd` is in `keep`. The call first writes the pending output of
 * `process.stdout` and `process.stderr`, as far as their readers accept it within a second.
 *
 * **Descriptors.** Node makes all its descriptors close-on-exec, and at its start also inherited
 * ones. The new program gets 0, 1 and 2, in blocking mode, those of `keep`, and those that are not
 * close-on-exec, such as the results of {@link dup}. If a terminal is in raw mode, its mode is
 * restored.
 *
 * **Signals.** See the option `signals`. Handlers end with the program.
 *
 * @param path - the program's file; PATH is not searched. A script needs a line `#!`.
 * @param args - its arguments; the first is by convention the program's name.
 * @param env - its environment; undefined properties are left out. Default: the environment of this
 *   process, byte for byte.
 * @param opts - see {@link ExecveOptions}.
 * @throws `ENOENT`, `EACCES` (no permission, not a regular file, a file system mounted noexec),
 *   `ENOEXEC`, `E2BIG`, `ELOOP`, `ENOTDIR`, `ETXTBSY`, `ENOMEM` and others (syscall `execve`, with
 *   `path`); `EBADF` (syscall `fcntl`) if a descriptor of `keep` is not open. After an error the
 *   process is unchanged: descriptors and their flags, mask, ignored signals, handlers, threads.
 *   `TypeError`, `RangeError` for wrong arguments; `ERR_WORKER_UNSUPPORTED_OPERATION` in a Worker.
 *
 * Node raises RLIMIT_NOFILE to its hard limit, which the new program inherits: see {@link setrlimit}.
 *
 * Source: execve(2), POSIX.1. The same on Linux and FreeBSD.
 */
export function execve(
  path: string | URL,
  args: readonly string[],
  env?: NodeJS.ProcessEnv,
  opts?: ExecveOptions,
): never {
  const file = filePath(path);
  const argv = argumentsOf(args);
  const environment = env === undefined ? undefined : environmentOf(env);
  const given = options<ExecveOptions>(opts, ['keep', 'signals']);
  const keep = fileDescriptors(given.keep ?? [], 'options.keep');
  const { signals = 'reset' } = given;
  if (!SIGNALS.includes(signals)) {
    throw invalidArgValue('options.signals', signals, "must be 'reset' or 'inherit'");
  }
  if (!isMainThread) throw workerUnsupported('execve()');
  expectNode('execve()', 'execve');
  for (const fd of keep) check(native.closeOnExec(fd), 'fcntl');
  flushOutputs(LAST_WORDS_MS);
  const own = environment !== undefined;
  const errno = native.exec(file, argv, own, environment ?? [], keep, signals === 'reset');
  throw systemError(errno, 'execve', { path: file });
}

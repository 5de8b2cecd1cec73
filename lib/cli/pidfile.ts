// Finds the pidfile of a command line.
import { basename, dirname, extname, join } from 'node:path';
import { absolutePath } from '../base/absolute.js';
import { isRoot } from '../posix/trusted-open.js';
import { textOf, UsageError, type Values } from './arguments.js';

/** The directory of pidfiles: hier(7). */
const SYSTEM_DIRECTORY = process.platform === 'freebsd' ? '/var/run' : '/run';

function byName(name: string): string {
  const directory = isRoot() ? SYSTEM_DIRECTORY : process.env.XDG_RUNTIME_DIR;
  if (directory === undefined || directory === '') {
    throw new UsageError(
      'there is no place for a pidfile, as XDG_RUNTIME_DIR is not set: give --pidfile FILE',
    );
  }
  return join(directory, `${name}.pid`);
}

/** The value of --name. */
export function givenName(values: Values): string | undefined {
  const name = textOf(values, 'name');
  if (name === undefined || (name !== '' && !/[/\0]/.test(name))) return name;
  throw new UsageError(`--name: '${name}' is not a name: it must be the name of a file, without /`);
}

/** The given pidfile as an absolute path, if any. */
export function givenPidFile(values: Values): string | undefined {
  const [file, name] = [textOf(values, 'pidfile'), givenName(values)];
  if (file !== undefined && name !== undefined) {
    throw new UsageError('--pidfile and --name exclude each other; give one');
  }
  if (file === '') throw new UsageError('--pidfile: it is empty');
  if (file !== undefined) return absolutePath(file);
  return name === undefined ? undefined : byName(name);
}

export function neededPidFile(values: Values): string {
  const path = givenPidFile(values);
  if (path === undefined) throw new UsageError('which daemon? Give --name or --pidfile');
  return path;
}

/**
 * The default name of an application: its file without the extension, or its directory if the file
 * is called index.
 */
export function nameOf(file: string): string {
  const name = basename(file, extname(file));
  return name === 'index' ? basename(dirname(file)) || name : name;
}

/** The pidfile of an application that is started. Without a pidfile no command could stop it. */
export function pidFileFor(values: Values, file: string): string {
  return givenPidFile(values) ?? byName(nameOf(file));
}

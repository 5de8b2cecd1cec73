// Which pidfile a command line means.
import { accessSync, constants } from 'node:fs';
import { join, resolve } from 'node:path';
import { isRoot } from '../pidfile/trust.js';
import { textOf, UsageError, type Values } from './options.js';

/** Where pidfiles are: hier(7). */
const SYSTEM_DIRECTORY = process.platform === 'freebsd' ? '/var/run' : '/run';

function byName(name: string): string {
  if (name.includes('/') || name === '') throw new UsageError(`--name: '${name}' is not a name`);
  const directory = isRoot() ? SYSTEM_DIRECTORY : process.env.XDG_RUNTIME_DIR;
  if (directory === undefined) {
    throw new UsageError('--name: XDG_RUNTIME_DIR is not set; give --pid-file');
  }
  return join(directory, `${name}.pid`);
}

/** The pidfile as an absolute path, if one is given. */
export function givenPidFile(values: Values): string | undefined {
  const [file, name] = [textOf(values, 'pid-file'), textOf(values, 'name')];
  if (file !== undefined && name !== undefined) {
    throw new UsageError('--pid-file and --name say the same; give one');
  }
  if (file === '') throw new UsageError('--pid-file: it is empty');
  if (file !== undefined) return resolve(file);
  return name === undefined ? undefined : byName(name);
}

export function neededPidFile(values: Values): string {
  const path = givenPidFile(values);
  if (path === undefined) throw new UsageError('which daemon? Give --pid-file or --name');
  return path;
}

/** Whether a file is there for us to read. */
export function readable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

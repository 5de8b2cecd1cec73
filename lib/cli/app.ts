// Runs an application in this process as `node app.js` would.
import { readFileSync, statSync } from 'node:fs';
import { createRequire, Module } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { compileFunction } from 'node:vm';
import { absolutePath } from '../base/absolute.js';
import { UsageError } from './arguments.js';

/** Why the file cannot be used. "No such file" would be wrong for a file that we may not see. */
function missing(path: string): Error {
  try {
    const kind = statSync(path).isDirectory() ? 'a directory without an index.js' : 'no file';
    return new UsageError(`there is no application ${path}: it is ${kind}`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? new UsageError(`there is no application ${path}`) : (error as Error);
  }
}

/**
 * The file that node would run for this argument: node adds an extension, and index.js to a folder.
 *
 * @throws `ENOENT` (syscall `getcwd`) for a relative path, if the working directory is gone.
 */
export function resolveApp(app: string): string {
  const path = absolutePath(app);
  try {
    return createRequire('/').resolve(path);
  } catch {
    throw missing(path);
  }
}

/** The "type" of the package that a file is in; undefined if the package has none. */
function packageType(file: string): string | undefined {
  for (let directory = dirname(file); ; directory = dirname(directory)) {
    try {
      return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')).type;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return undefined;
    }
    if (directory === dirname(directory)) return undefined;
  }
}

/** Throws a SyntaxError, whose stack shows the place, if the file is not CommonJS. */
export function compileAsCommonJs(filename: string): void {
  const source = readFileSync(filename, 'utf8').replace(/^#!.*/, '');
  compileFunction(source, ['exports', 'require', 'module', '__filename', '__dirname'], {
    filename,
  });
}

/** Node decides in the same way if nothing else does: what compiles as CommonJS is CommonJS. */
function compilesAsCommonJs(file: string): boolean {
  try {
    compileAsCommonJs(file);
    return true;
  } catch {
    return false;
  }
}

export function isCommonJs(file: string): boolean {
  if (extname(file) === '.cjs' || extname(file) === '.cts') return true;
  if (extname(file) !== '.js' && extname(file) !== '') return false;
  const type = packageType(file);
  return type === 'commonjs' || (type === undefined && compilesAsCommonJs(file));
}

/** Unlike import(), this makes the module the main one, for `require.main === module`. */
const runMain = (Module as unknown as { _load(file: string, parent: null, isMain: true): unknown })
  ._load;

/** Resolves when the module has been evaluated, including its top-level awaits. */
export async function runApp(file: string, args: readonly string[]): Promise<void> {
  process.argv = [process.execPath, file, ...args];
  if (isCommonJs(file)) runMain(file, null, true);
  else await import(pathToFileURL(file).href);
}

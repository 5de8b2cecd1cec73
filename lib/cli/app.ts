// Runs an application in this process as `node app.js` would.
import { readFileSync } from 'node:fs';
import { createRequire, Module } from 'node:module';
import { dirname, extname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { compileFunction } from 'node:vm';
import { UsageError } from './options.js';

/** The file that node would run for this argument: with its extension, and index.js of a folder. */
export function resolveApp(app: string): string {
  try {
    return createRequire(join(process.cwd(), 'cli')).resolve(resolve(app));
  } catch {
    throw new UsageError(`there is no application ${resolve(app)}`);
  }
}

/** The "type" of the package that a file is in; undefined if it does not say. */
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

/** Node decides the same way where nothing else does: what compiles as CommonJS is CommonJS. */
function compilesAsCommonJs(file: string): boolean {
  const source = readFileSync(file, 'utf8').replace(/^#!.*/, '');
  try {
    compileFunction(source, ['exports', 'require', 'module', '__filename', '__dirname']);
    return true;
  } catch {
    return false;
  }
}

function isCommonJs(file: string): boolean {
  if (extname(file) === '.cjs' || extname(file) === '.cts') return true;
  if (extname(file) !== '.js' && extname(file) !== '') return false;
  const type = packageType(file);
  return type === 'commonjs' || (type === undefined && compilesAsCommonJs(file));
}

/** What import() lacks: it makes the module the main one, for `require.main === module`. */
const runMain = (Module as unknown as { _load(file: string, parent: null, isMain: true): unknown })
  ._load;

/** Resolves when the module has been evaluated, its top-level awaits included. */
export async function runApp(file: string, args: readonly string[]): Promise<void> {
  process.argv = [process.execPath, file, ...args];
  if (isCommonJs(file)) runMain(file, null, true);
  else await import(pathToFileURL(file).href);
}

// Makes what `npm publish` would send and what a user's `npm install` makes of it.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../..', import.meta.url));

/** This machine's C library, as node-gyp-build sees it. */
export const libc = existsSync('/etc/alpine-release') ? 'musl' : 'glibc';

/** The platform of this machine, in the names of targets and of folders. */
export const platform = `${process.platform}-${process.arch}`;

/** This machine's binary in the package. */
export const ownBinary = `prebuilds/${platform}/daemonkit.${libc}.node`;

const built = join(root, 'build', 'Release', 'daemonkit.node');

/** Runs a program of prebuilds/make/. */
export function prebuild(program: 'build' | 'check', ...args: string[]) {
  const path = join(root, 'prebuilds', 'make', `${program}.mjs`);
  const { status, stdout, stderr } = spawnSync(process.execPath, [path, ...args], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  return { status, stdout, stderr };
}

/** npm's program, run with this Node, whatever PATH a command is given. */
function npm(...args: string[]): string[] {
  const beside = (folder: string) => join(folder, 'npm');
  const found = (process.env.PATH ?? '').split(delimiter).map(beside).find(existsSync);
  if (found === undefined) throw new Error('npm is not in PATH');
  const quiet = ['--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error'];
  return [realpathSync(found), ...args, ...quiet];
}

/**
 * Copies the project as it is, but for what was installed or built into it, and with this machine's binary. A
 * folder of its own, because another test may build into prebuilds/, and package.json is another one while
 * npm packs it.
 */
export function staged(folder: string, from = built): string {
  const left =
    /^(node_modules|build|\.git|dist\/(api|package\.json.*))$|(^|\/)(node_modules|build)$|\.node$/;
  cpSync(root, folder, {
    recursive: true,
    filter: (path) => !left.test(relative(root, path)),
  });
  mkdirSync(join(folder, 'prebuilds', platform), { recursive: true });
  copyFileSync(from, join(folder, ownBinary));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

export interface Packed {
  tarball: string;
  files: { path: string; size: number }[];
}

/** Packs a folder, as `npm pack` does in it; `scripts`: prepack and postpack too. */
export function pack(folder: string, into: string, scripts = false): Packed {
  const args = npm('pack', '--json', '--pack-destination', into, `--ignore-scripts=${!scripts}`);
  const printed = execFileSync(process.execPath, args, {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [packed] = JSON.parse(printed);
  return { tarball: join(into, packed.filename), files: packed.files };
}

/** `npm pack` that ends badly, or is killed in the middle: how it has ended. */
export function packInVain(folder: string, kill: boolean): Promise<NodeJS.Signals | number | null> {
  const args = npm('pack', '--pack-destination', join(folder, 'nonexistent'));
  const child = spawn(process.execPath, args, { cwd: folder, stdio: 'ignore', detached: true });
  const manifest = join(folder, 'package.json');
  const whole = readFileSync(manifest, 'utf8');
  const timer = setInterval(() => {
    // For a moment, there is none at all.
    if (kill && existsSync(manifest) && readFileSync(manifest, 'utf8') !== whole)
      child.kill('SIGKILL');
  }, 1);
  return new Promise((resolve) =>
    child.on('close', (code, signal) => {
      clearInterval(timer);
      resolve(signal ?? code);
    }),
  );
}

/** An empty project with these tarballs installed, where no command but `node` can be found. */
export class Project {
  readonly #path: string;

  constructor(
    readonly directory: string,
    tarballs: string[],
  ) {
    this.#path = join(directory, 'bin');
    mkdirSync(this.#path);
    symlinkSync(process.execPath, join(this.#path, 'node'));
    writeFileSync(join(directory, 'package.json'), '{ "private": true }');
    // Nothing may be fetched: what the package needs is among the tarballs.
    this.#npm('install', '--offline', ...tarballs);
    // And again from the lockfile that this has written, as a deployment does.
    this.#npm('ci', '--offline');
  }

  #npm(...args: string[]) {
    execFileSync(process.execPath, npm(...args), {
      cwd: this.directory,
      env: this.env(),
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }

  env(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
    return { ...more, PATH: this.#path, HOME: this.directory, PREBUILDS_ONLY: '1' };
  }

  /** Runs a program of this text to its end; the name decides whether it is a CommonJS module. */
  run(name: string, text: string, env: NodeJS.ProcessEnv = {}) {
    const program = join(this.directory, name);
    writeFileSync(program, text);
    const { status, signal, stdout, stderr } = spawnSync(process.execPath, [program], {
      cwd: this.directory,
      env: this.env(env),
      encoding: 'utf8',
      timeout: 60_000,
      killSignal: 'SIGKILL',
    });
    return { status, signal, stdout, stderr };
  }
}

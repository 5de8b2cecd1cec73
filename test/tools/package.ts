// Makes what `npm publish` would send and what a user's `npm install` makes of it.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
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
 * Copies the project as it is, but for what was installed or built into it; the binary is node-gyp's. A
 * folder of its own, because another test may build into prebuilds/.
 */
export function staged(folder: string): string {
  const left = /^(node_modules|build|\.git|dist\/api)$|(^|\/)(node_modules|build)$|\.node$/;
  cpSync(root, folder, {
    recursive: true,
    filter: (path) => !left.test(relative(root, path)),
  });
  const binary = join(folder, 'prebuilds', platform, `daemonkit.${libc}.node`);
  mkdirSync(join(folder, 'prebuilds', platform), { recursive: true });
  copyFileSync(join(root, 'build', 'Release', 'daemonkit.node'), binary);
  return folder;
}

/** Packs a folder without running its scripts. */
export function pack(folder: string, into: string): { tarball: string; files: string[] } {
  const args = npm('pack', folder, '--json', '--ignore-scripts', '--pack-destination', into);
  const [packed] = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }));
  return {
    tarball: join(into, packed.filename),
    files: packed.files.map(({ path }: { path: string }) => path),
  };
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

  /** Runs a program of this text to its end; the name tells whether it is a CommonJS module. */
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

// Builds what test/tools/asan.ts runs: the addon and a Node with AddressSanitizer and UBSan, and the
// C++ without Node for each tool. All of it is in build/asan.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildHost, machines } from './fork-host.js';

export const root = fileURLToPath(new URL('../../..', import.meta.url));
const folder = join(root, 'build', 'asan');
/** Where the sanitizers write a file for every process that they end. */
export const reports = join(folder, 'reports');
const sanitize = '-fsanitize=address,undefined';

export function run(file: string, args: string[], env: NodeJS.ProcessEnv = {}, timeout = 600_000) {
  return spawnSync(file, args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout,
    killSignal: 'SIGKILL',
    maxBuffer: 2 ** 28,
  });
}

function must(file: string, args: string[], env: NodeJS.ProcessEnv = {}): string {
  const { status, stdout, stderr, error } = run(file, args, env);
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${file} ${args.join(' ')}: ${status}\n${stderr}`);
  return stdout;
}

/** An empty folder; processes that have given up root report there too. */
export function makeReports(): void {
  mkdirSync(reports, { recursive: true });
  chmodSync(reports, 0o1777);
}

/** In a build folder of its own: the flags come by the environment, as make's rules of gyp take them. */
function buildAddon(): void {
  const sources = join(folder, 'cpp');
  cpSync(join(root, 'cpp'), sources, {
    recursive: true,
    preserveTimestamps: true,
    filter: (name) => name !== join(root, 'cpp', 'build'),
  });
  const flags = `${sanitize} -fno-omit-frame-pointer -g`;
  must('npx', ['node-gyp', 'configure', 'build', '-C', sources], {
    CFLAGS: flags,
    CXXFLAGS: flags,
    LDFLAGS: sanitize,
  });
  const place = join(folder, 'prebuilds', `${process.platform}-${process.arch}`);
  const built = join(sources, 'build', 'Release', 'daemonkit.node');
  if (!/__asan_report/.test(must('nm', ['-D', built]))) {
    throw new Error(`${built} is not instrumented`);
  }
  mkdirSync(place, { recursive: true });
  cpSync(built, join(place, 'daemonkit.glibc.node'));
}

/** The name by which the dynamic linker knows a library of the compiler's. */
function soname(library: string): string {
  const file = must('gcc', [`-print-file-name=${library}`]).trim();
  return /SONAME.*\[(.*)\]/.exec(must('readelf', ['-d', file]))?.[1] ?? library;
}

/**
 * A copy of this Node that needs the sanitizers' libraries, before all others. With LD_PRELOAD every
 * program that a test starts would get them, and ps(1), curl(1) and gdb(1) stand still with ASan.
 */
function buildNode(): string {
  const options = join(folder, 'asan-options.so');
  const source = join(root, 'test', 'tools', 'asan-options.c');
  must('gcc', ['-shared', '-fPIC', `-DREPORTS="${reports}"`, '-o', options, source]);
  const node = join(folder, 'node');
  // Each one goes to the head of the list.
  const libraries = [soname('libubsan.so'), soname('libasan.so'), options];
  const added = libraries.flatMap((name) => ['--add-needed', name]);
  must('patchelf', [...added, '--output', node, process.execPath]);
  return node;
}

/** Node with the sanitizers, and the environment in which it loads the addon that has them. */
export function buildAll(): { node: string; env: NodeJS.ProcessEnv } {
  buildAddon();
  return {
    node: buildNode(),
    // node-gyp-build looks there, and only there.
    env: { PREBUILDS_ONLY: '1', DAEMONKIT_PREBUILD: folder, NODE_EXTRA_CA_CERTS: undefined },
  };
}

/** cpp/sys and cpp/fork as programs. */
export async function buildPrograms() {
  const at = (name: string) => join(folder, name);
  const host = async (name: string, ...flags: string[]) => {
    const options = () => ['-pthread', '-g', ...flags];
    await buildHost({ ...machines.glibc, options }, at(name));
    return at(name);
  };
  must(process.execPath, ['test/tools/selftest.mjs', 'native', at('selftest')], {
    CXXFLAGS: `-g ${sanitize}`,
  });
  return {
    selftest: at('selftest'),
    asan: await host('host-asan', sanitize),
    ubsan: await host('host-ubsan', '-fsanitize=undefined', '-fno-sanitize-recover=all'),
    tsan: await host('host-tsan', '-fsanitize=thread'),
    plain: await host('host-plain'),
  };
}

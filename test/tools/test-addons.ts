// The tests' own addons for another C library, by zig, which builds the package's binaries: what g++ makes here asks for
// this machine's glibc, and loads with no other.
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Target {
  name: string;
  path: string;
  zig: string;
}
interface Settings {
  sources: string[];
  include_dirs: string[];
  defines: string[];
  cflags: string[];
  cflags_cc: string[];
  ldflags: string[];
}
interface Gyp {
  targets: (Partial<Settings> & { target_name: string; type?: string; sources: string[] })[];
}

const root = fileURLToPath(new URL('../../..', import.meta.url));
const make = (name: string) =>
  import(new URL(`../../../prebuilds/make/${name}`, import.meta.url).href);
const { build, zig } = (await make('zig.mjs')) as {
  build(target: Target, settings?: Settings): void;
  zig(...args: string[]): void;
};
const { named } = (await make('targets.mjs')) as { named(names: string[]): Target[] };

const folder = join(root, 'test', 'native');
// It has no condition and no comment: JSON, as gyp's format allows.
const { targets } = JSON.parse(readFileSync(join(folder, 'binding.gyp'), 'utf8')) as Gyp;

/**
 * Builds the package's binary for a target of prebuilds/, and the tests' addons; returns their
 * paths.
 */
export function builtFor(name: string): { binary: string; addons: string } {
  const [target] = named([name]) as [Target];
  build(target);
  const addons = join(folder, 'build', name);
  mkdirSync(addons, { recursive: true });
  for (const { target_name, type, sources, defines = [], cflags_cc = [] } of targets) {
    const files = sources.map((source) => join(folder, source));
    if (type === 'executable') {
      // Linked as C, which it is but for its headers: for a program zig would compile its C++ library once more.
      const program = join(addons, target_name);
      zig('c++', '-target', target.zig, ...cflags_cc, '-c', ...files, '-o', `${program}.o`);
      zig('cc', '-target', target.zig, '-dynamic', `${program}.o`, '-o', program);
      continue;
    }
    const none = { include_dirs: [], cflags: [], ldflags: [] };
    const path = join(addons, `${target_name}.node`);
    build({ ...target, path }, { ...none, sources: files, defines, cflags_cc });
  }
  return { binary: target.path, addons };
}

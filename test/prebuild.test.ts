// The binaries of a release: what their build and their check refuse.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { libc, needsZig, platform, prebuild, root } from './tools/package.js';
import { scratch } from './tools/scratch.js';

const own = `${platform}-${libc}`;
const [glibc, musl] = [`${platform}-glibc`, `${platform}-musl`];

/** A library with every fault that the check knows of, but that it is one for this machine. */
function faulty(folder: string): string {
  const file = (name: string, text: string) => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  const cc = (...args: string[]) => execFileSync('cc', ['-shared', '-fPIC', ...args]);
  const neighbour = file('neighbour.c', 'void new_call(void) {} void odd_call(void) {}');
  const versions = file('versions.map', 'GLIBC_2.29 { new_call; }; ODD_1 { odd_call; };');
  cc(neighbour, `-Wl,--version-script=${versions}`, '-o', join(folder, 'libneighbour.so'));
  const source = file(
    'faulty.c',
    `void new_call(void); void odd_call(void);
    char large[400000] = {1};
    void surplus(void) { new_call(); odd_call(); }
    __asm__(".text\\n.balign 8\\n.quad surplus\\n.previous");`,
  );
  const path = join(folder, 'faulty.node');
  const link = ['-Wl,-rpath,/nowhere', '-Wl,-z,lazy,-z,norelro,-z,notext,-z,execstack'];
  cc(source, `-L${folder}`, '-lneighbour', ...link, '-o', path);
  return path;
}

test('the check of a binary finds all that is wrong with it', needsZig, (t) => {
  const path = faulty(scratch(t));
  const { status, stdout } = prebuild('check', glibc, '--file', path);
  const said = (pattern: RegExp) => assert.match(stdout, pattern);
  said(/symbols of version GLIBC_2\.29$/m);
  said(/symbols of version ODD_1$/m);
  said(/\d{6} bytes, at most 400000$/m);
  said(/relocations in its code$/m);
  said(/not bound at once/);
  said(/no GNU_RELRO/);
  said(/stack is RWE$/m);
  said(/exports surplus$/m);
  said(/does not export napi_register_module_v1$/m);
  said(/does not export node_api_module_get_api_version_v1$/m);
  said(/needs libneighbour\.so$/m);
  said(/searches \/nowhere$/m);
  assert.equal(stdout.includes('made for'), false);
  assert.equal(status, 1);
});

test('the check finds a binary of another system, and a missing one', needsZig, () => {
  assert.equal(prebuild('build', own).status, 0);
  const path = join(root, 'prebuilds', platform, `daemonkit.${libc}.node`);
  const cpu = process.arch === 'x64' ? 'arm64' : 'x64';
  const otherCpu = prebuild('check', `linux-${cpu}-${libc}`, '--file', path);
  assert.match(otherCpu.stdout, /made for (AArch64|Advanced Micro Devices X86-64)$/m);
  const otherSystem = prebuild('check', `freebsd-${process.arch}`, '--file', path);
  assert.match(otherSystem.stdout, /needs libc\.so/);
  const missing = prebuild('check', own, '--file', join(root, 'no such file'));
  assert.equal(missing.stdout, `${own}: missing\n`);
  assert.deepEqual([otherCpu.status, otherSystem.status, missing.status], [1, 1, 1]);
});

test(
  'a call that the oldest libc or Node has not is refused at build time',
  needsZig,
  async (t) => {
    const folder = scratch(t);
    const source = join(folder, 'calls.cc');
    const path = join(folder, 'calls.node');
    const { build } = await import(join(root, 'prebuilds', 'make', 'zig.mjs'));
    const { targets } = await import(join(root, 'prebuilds', 'make', 'targets.mjs'));
    const compile = (name: string, call: string) => {
      const text = `extern "C" { void ${call}(int);
      void napi_register_module_v1() { ${call}(3); }
      void node_api_module_get_api_version_v1() {} }`;
      writeFileSync(source, text);
      const target = targets.find((one: { name: string }) => one.name === name);
      const none = { include_dirs: [], cflags: [], cflags_cc: [], ldflags: [] };
      build({ ...target, path }, { ...none, defines: ['NAPI_VERSION=8'], sources: [source] });
    };
    const refused = (name: string, call: string) => {
      assert.throws(() => compile(name, call), new RegExp(`undefined symbol: ${call}`));
      assert.equal(existsSync(path), false);
    };
    // closefrom(3) came with glibc 2.34; musl has none. node_api_get_module_file_name with N-API 9.
    refused(glibc, 'closefrom');
    refused(musl, 'closefrom');
    refused(glibc, 'node_api_get_module_file_name');
    refused(glibc, 'uv_of_tomorrow');
    // And what they have is not.
    for (const call of ['close', 'napi_get_undefined', 'uv_unref']) compile(glibc, call);
  },
);

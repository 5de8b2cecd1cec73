// The binaries of a release, built by zig: all six, and what their build refuses.
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { tail } from '../tools/failures.js';
import { needs, needsZig } from '../tools/needs.js';
import { libc, platform, prebuild, root } from '../tools/package.js';
import { scratch } from '../tools/scratch.js';

const own = `${platform}-${libc}`;
const [glibc, musl] = [`${platform}-glibc`, `${platform}-musl`];
const needsBoth = needsZig.skip ? needsZig : needs('readelf');

test('all six are built, and good', needsBoth, () => {
  const { status, stdout, stderr } = prebuild('build');
  assert.equal(status, 0, tail(stdout + stderr));
  assert.equal(stdout.match(/: good$/gm)?.length, 6, tail(stdout));
});

test('the check finds a binary of another system, and a missing one', needsBoth, () => {
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
  needsBoth,
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

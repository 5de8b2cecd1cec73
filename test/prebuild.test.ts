// The binaries of a release: what their check refuses. They are built in test/long/prebuild.test.ts.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { needs } from './tools/needs.js';
import { platform, prebuild } from './tools/package.js';
import { scratch } from './tools/scratch.js';

const glibc = `${platform}-glibc`;

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

test('the check of a binary finds all that is wrong with it', needs('cc', 'readelf'), (t) => {
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

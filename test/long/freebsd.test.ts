// test/freebsd, the self-test of cpp/sys without Node: run here as a Linux program, and built for
// FreeBSD as far as it can be looked at without one.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { tail } from '../tools/failures.js';
import { needs, needsRoot, needsZig } from '../tools/needs.js';
import { scratch } from '../tools/scratch.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const SELFTEST = join(root, 'test', 'tools', 'selftest.mjs');

function build(target: string, out: string): void {
  const { status, stderr } = spawnSync(process.execPath, [SELFTEST, target, out], {
    cwd: root,
    encoding: 'utf8',
  });
  assert.equal(status, 0, tail(stderr));
}

/** A TAP stream's lines that are no plain "ok". */
function unusual(tap: string): string[] {
  return tap
    .split('\n')
    .filter((line) => !/^(ok \d+ - [^#]*|# Linux .*|TAP .*|1\.\.\d+|)$/.test(line));
}

const readelf = (file: string, option: string) =>
  execFileSync('readelf', ['--wide', option, file], { encoding: 'utf8' });

test('the self-test passes on Linux, with nothing skipped', needsRoot, (t) => {
  const program = join(scratch(t), 'selftest');
  build('native', program);
  const { stdout, status } = spawnSync(program, { encoding: 'utf8' });
  assert.deepEqual(unusual(stdout), []);
  assert.equal(status, 0);
  const planned = Number(/^1\.\.(\d+)$/m.exec(stdout)?.[1]);
  const titles = stdout.match(/^ok /gm) ?? [];
  assert.ok(planned >= 40 && titles.length === planned, `${titles.length} of ${planned}`);
});

test(
  'built for FreeBSD 14.0: what it needs, and every function the addon exports',
  needsZig.skip ? needsZig : needs('readelf', 'nm'),
  (t) => {
    const program = join(scratch(t), 'selftest');
    build('x86_64-freebsd.14.0', program);
    const needed = [...readelf(program, '--dynamic').matchAll(/\(NEEDED\).*\[(.*)\]/g)];
    assert.deepEqual(needed.map(([, name]) => name).sort(), ['libc.so.7', 'libthr.so.3']);
    const versions = [...readelf(program, '--version-info').matchAll(/Name: FBSD_1\.(\d+)/g)];
    assert.ok(versions.length > 0);
    // FBSD_1.7 is what 14.0 has.
    for (const [, minor] of versions) assert.ok(Number(minor) <= 7, `FBSD_1.${minor}`);
    const defined = execFileSync('nm', ['-C', '--defined-only', program], { encoding: 'utf8' });
    const addon = readFileSync(join(root, 'cpp', 'addon.cc'), 'utf8');
    const names = [...addon.matchAll(/marshal::Export<(sys::\w+)>/g)].map(([, name]) => name);
    assert.ok(names.length > 40);
    assert.deepEqual(
      names.filter((name) => !defined.includes(` T ${name}(`)),
      [],
    );
  },
);

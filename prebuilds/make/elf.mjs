// What a shared library says of itself, as read by readelf of binutils.
import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';

function readelf(path, ...options) {
  const env = { ...process.env, LC_ALL: 'C' };
  return execFileSync('readelf', ['--wide', ...options, path], { encoding: 'utf8', env });
}

const all = (text, pattern) => [...text.matchAll(pattern)].map(([, found]) => found);

/** The names that a dynamic symbol table offers to others. */
function exported(table) {
  return table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([number, , , , bind]) => /^\d+:$/.test(number ?? '') && bind !== 'LOCAL')
    .filter(([, , , , , , index]) => index !== 'UND')
    .map(([, , , , , , , name]) => name);
}

export function readElf(path) {
  const headers = readelf(path, '--file-header', '--program-headers');
  const dynamic = readelf(path, '--dynamic');
  const versions = readelf(path, '--version-info');
  return {
    bytes: statSync(path).size,
    machine: headers.match(/Machine: +(.*)/)?.[1],
    exports: exported(readelf(path, '--dyn-syms')),
    needed: all(dynamic, /\(NEEDED\).*\[(.*)\]/g),
    runPaths: all(dynamic, /\((?:RUNPATH|RPATH)\).*\[(.*)\]/g),
    textRelocations: /\(TEXTREL\)|\bTEXTREL\b/.test(dynamic),
    bindNow: /\(FLAGS_1\).*\bNOW\b/.test(dynamic),
    relro: /^ *GNU_RELRO\b/m.test(headers),
    // Without a GNU_STACK header the kernel makes every stack of the process executable.
    stackFlags: headers.match(/^ *GNU_STACK(?: +0x\w+){5} +([RWE ]+?) +0(?:x|$)/m)?.[1],
    // Of symbols that it needs: GLIBC_2.28.
    versions: [...new Set(all(versions, /Name: (\S+) +Flags:/g))],
  };
}

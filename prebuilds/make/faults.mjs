// The rules for a binary of prebuilds/: what it may export, need, and weigh.
import { existsSync } from 'node:fs';
import { readElf } from './elf.mjs';

const mostBytes = 400_000;
const exported = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];

/** Is a version as `2.3.4` above another? */
function above(version, floor) {
  return version.localeCompare(floor, 'en', { numeric: true }) > 0;
}

function versionFaults(versions, floors) {
  return versions
    .filter((name) => {
      const [prefix, version] = name.split('_');
      // GLIBC_PRIVATE and what other libraries bring have no floor and no place here.
      return floors[prefix] === undefined || !/^\d/.test(version) || above(version, floors[prefix]);
    })
    .map((name) => `symbols of version ${name}`);
}

/** What is wrong with a target's binary, in words. */
export function faults(target, path = target.path) {
  if (!existsSync(path)) return ['missing'];
  const elf = readElf(path);
  const found = versionFaults(elf.versions, target.versions);
  const must = (holds, fault) => {
    if (!holds) found.push(fault);
  };
  must(elf.machine === target.machine, `made for ${elf.machine}`);
  must(elf.bytes < mostBytes, `${elf.bytes} bytes, at most ${mostBytes}`);
  must(elf.textRelocations === false, 'relocations in its code');
  must(elf.bindNow, 'not bound at once (-z now)');
  must(elf.relro, 'no GNU_RELRO (-z relro)');
  must(elf.stackFlags === 'RW', `stack is ${elf.stackFlags ?? 'not told: executable'}`);
  for (const name of elf.exports) must(exported.includes(name), `exports ${name}`);
  for (const name of exported) must(elf.exports.includes(name), `does not export ${name}`);
  for (const name of elf.needed) must(target.libraries.includes(name), `needs ${name}`);
  for (const path of elf.runPaths) found.push(`searches ${path}`);
  return found;
}

/** Prints the verdict on a target's binary; true if it is good. */
export function report(target, path = target.path) {
  const found = faults(target, path);
  for (const fault of found) console.log(`${target.name}: ${fault}`);
  if (found.length === 0) console.log(`${target.name}: good`);
  return found.length === 0;
}

// Part of `npm run lint`: which folder of lib/ may import which, types too, and no circle of files.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const LIB = fileURLToPath(new URL('../../lib', import.meta.url));

/**
 * The rooms of lib/, lowest first: each may import those above it in this list, and its own files.
 * Rooms that must not import each other at all are in APART.
 */
export const ROOMS = [
  'base', // errors, checks of arguments: knows no system
  'addon', // the native binary
  'system', // data from Linux and FreeBSD
  'atfork', // what every fork runs, and all copies of the package share
  'posix', // one file for each family of man pages
  'signal',
  'fork',
  'compute',
  'descriptors',
  'stdio',
  'pidfile',
  'privileges',
  'service',
  'daemon',
  'prefork',
  'cli',
];

/**
 * The sub-rooms of a room, lowest first, and its top files: each may import those above it in this
 * list, and its own files.
 */
export const STRATA = {
  prefork: [
    'drain', // a server ends without failing a request
    'worker', // a worker, from its fork to its end
    'warmup', // the heap before a fork
    'ends.ts', // reports about workers that ended or hang: only types
    'options.ts', // options: only types
    'told.ts', // reports for observers: only types
    'state', // what a master knows and does next: pure functions
    'upgrade', // another program takes this one's place
    'watch', // how the workers are
    'plan', // the options, checked
    'master', // does what the state asks for
    'prefork.ts', // the call
  ],
};

/** The files at the top: what was true at load, and the public face. */
const TOP = { 'atload.ts': 'daemon', 'index.ts': 'prefork' };

/** The two ways in, which begin with atload.ts. */
const ENTRIES = ['index.ts', 'cli/main.ts'];

/** Rooms that do not need each other, and must not import each other. */
const APART = { prefork: ['daemon'], stdio: ['fork', 'signal'], pidfile: ['fork', 'stdio'] };

/** The files of a room that others may import, where there is more in it than they should know. */
const DOORS = {
  pidfile: ['pidfile.ts', 'search.ts', 'stop.ts'],
  prefork: ['prefork.ts', 'told.ts', 'watch/board.ts', 'upgrade/report.ts'],
};

const files = readdirSync(LIB, { recursive: true })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => normalize(file));

const IMPORT = /(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)\.js'/g;

function importsOf(file) {
  const source = readFileSync(join(LIB, file), 'utf8');
  return [...source.matchAll(IMPORT)].map(([, path]) => `${join(dirname(file), path)}.ts`);
}

const graph = new Map(files.map((file) => [file, importsOf(file)]));
const roomOf = (file) => (file.includes('/') ? file.split('/')[0] : undefined);
const levelOf = (file) => ROOMS.indexOf(roomOf(file) ?? TOP[file] ?? '');

function upward() {
  const found = [];
  for (const [file, imports] of graph) {
    if (levelOf(file) < 0) found.push(`${file}: is in no room of ROOMS`);
    for (const imported of imports) {
      const [from, to] = [roomOf(file), roomOf(imported)];
      const top = to === undefined && !(ENTRIES.includes(file) && imported === 'atload.ts');
      if (top || (from !== to && levelOf(imported) > levelOf(file))) {
        found.push(`${file} imports ${imported}: upward`);
      }
      const inner = DOORS[to]?.every((door) => imported !== `${to}/${door}`);
      if (from !== to && inner) found.push(`${file} imports ${imported}: an inner file of ${to}`);
      if (APART[from]?.includes(to)) found.push(`${file} imports ${imported}: ${from} and ${to}`);
    }
  }
  return found;
}

/** Within a room that has strata. */
function upwardWithin([room, strata]) {
  const inside = files.filter((file) => roomOf(file) === room);
  const levelIn = (file) => strata.indexOf(file.split('/')[1]);
  return inside.flatMap((file) => {
    if (levelIn(file) < 0) return [`${file}: is in no room of STRATA`];
    const above = (graph.get(file) ?? []).filter((imported) => levelIn(imported) > levelIn(file));
    return above
      .filter((imported) => roomOf(imported) === room)
      .map((imported) => `${file} imports ${imported}: upward in ${room}`);
  });
}

/** Each circle once, by the first file that is met. */
function circles() {
  const found = [];
  const done = new Set();
  const visit = (file, path) => {
    const at = path.indexOf(file);
    if (at >= 0) found.push(`circle: ${[...path.slice(at), file].join(' -> ')}`);
    if (at >= 0 || done.has(file)) return;
    for (const imported of graph.get(file) ?? []) visit(imported, [...path, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  return found;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const faults = [...upward(), ...Object.entries(STRATA).flatMap(upwardWithin), ...circles()];
  for (const fault of faults) console.error(`${relative('.', LIB)}/${fault}`);
  if (faults.length > 0) process.exit(1);
}

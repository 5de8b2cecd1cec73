// Every system call of fork() fails in turn, or kills its process.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Forker } from './forked.js';
import { errorOf, inject, type Place, places, sample } from './strace.js';

/** What came of one fault; `aborted`: V8, libuv or Node itself cannot do without that call. */
export interface Fault {
  place: string;
  result: 'refused' | 'aborted' | 'tolerated' | 'in the child' | 'harm';
  what: string;
}

/** The places of one undisturbed fork. */
export async function forkPlaces(): Promise<Place[]> {
  const folder = mkdtempSync(join(tmpdir(), 'daemonkit-'));
  const forker = new Forker();
  try {
    await forker.round(`-o${folder}/trace`);
    return places(`${folder}/trace`);
  } finally {
    await forker.end();
    rmSync(folder, { recursive: true });
  }
}

async function tryOne(forker: Forker, { call, when }: Place): Promise<Fault> {
  const error = errorOf(call);
  const place = `${call} ${when} ${error}`;
  try {
    const told = await forker.round(...inject(call, `error=${error}`, when));
    if (told.harm !== undefined) return { place, result: 'harm', what: told.harm };
    if (told.code !== undefined) {
      return { place, result: 'refused', what: `${told.code}, ${told.syscall}` };
    }
    const untouched = told.child === 7;
    return { place, result: untouched ? 'tolerated' : 'in the child', what: `${told.child}` };
  } catch (thrown) {
    return { place, result: 'harm', what: (thrown as Error).message };
  }
}

/** Tries all places, at most so many of each call, in as few processes as survive it. */
export async function forkFaults(most: number, all?: Place[]): Promise<Fault[]> {
  const faults: Fault[] = [];
  let forker = new Forker();
  try {
    for (const place of sample(all ?? (await forkPlaces()), most)) {
      faults.push(await tryOne(forker, place));
      if (faults.at(-1)?.result !== 'harm') continue;
      await forker.end();
      forker = new Forker();
    }
  } finally {
    await forker.end();
  }
  return faults;
}

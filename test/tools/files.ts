// The files of tests.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const tests = fileURLToPath(new URL('..', import.meta.url));

export function filesIn(folder: string): string[] {
  return readdirSync(join(tests, folder))
    .filter((name) => name.endsWith('.test.js'))
    .map((name) => join(tests, folder, name));
}

/** What npm test plays. */
export const quickFiles = (): string[] => [...filesIn('.'), ...filesIn('peers')];

// A directory for one test.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** A new empty directory, removed when the test has ended. */
export function scratch(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'daemonkit-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

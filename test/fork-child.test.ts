// A child of fork() can do everything that Node can do.
import { test } from 'node:test';
import { jobs } from './fixtures/jobs.js';
import { succeeds } from './tools/run.js';

for (const name of Object.keys(jobs)) {
  test(`a child can: ${name}`, async () => {
    await succeeds('can.js', [name]);
    await succeeds('can.js', [name, 'warm']);
  });
}

// Works until it is time to die. The loop is synchronous and never returns to the event loop; the flag is a word
// of memory that the signal sets.
//
//   node dist/examples/job-runner/minimal.js SPOOL        one file NAME.job for each job
import { readdirSync, readFileSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { SignalFlag } from 'daemonkit';

const spool = process.argv[2] ?? '.';
const pause = new Int32Array(new SharedArrayBuffer(4));
const timeToDie = new SignalFlag(['SIGINT', 'SIGTERM']);

while (!timeToDie.raised) {
  const job = readdirSync(spool).find((name) => name.endsWith('.job'));
  if (job === undefined) {
    Atomics.wait(pause, 0, 0, 50); // sleep for 50 ms
    continue;
  }
  console.log(`${job}: ${readFileSync(join(spool, job), 'utf8').length} characters`);
  unlinkSync(join(spool, job));
}
console.log('time to die');

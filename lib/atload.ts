// Records the state of the process when the package is loaded, in the required order. The rooms of
// lib/ do nothing when they are imported, with two exceptions: they keep the builtins that they
// need before a program can change them (atfork/originals.ts), and make the objects that all copies
// of the package share (atfork/registry.ts).
import { noNode } from './addon/host.js';
import { readHandover } from './daemon/handover.js';
import { recordStart } from './descriptors/table.js';
import { collectChildren } from './fork/children.js';
import { recordStartOptions } from './fork/startup.js';
import { collectWorkers } from './fork/workers.js';
import { recordStandard } from './posix/standard.js';
import { followSuccession } from './service/successor.js';
import { recordHolder } from './service/supervisor.js';
import { recordProgram } from './system/program.js';
import { readSuccession } from './system/succession.js';

if (noNode === undefined) look();

function look(): void {
  // Before anything is opened: a new descriptor would get the number of a closed standard stream.
  recordStandard();
  recordProgram();
  recordHolder();
  // Before the descriptors are listed: some of them belong to the launcher, or to a predecessor.
  readHandover();
  readSuccession();
  followSuccession();
  recordStart();
  // From here on, objects that Node does not list are recorded.
  collectChildren();
  collectWorkers();
  recordStartOptions();
}

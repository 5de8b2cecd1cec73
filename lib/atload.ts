// What is true when the package is loaded, looked at in the order that it needs. The rooms of lib/ do
// nothing by themselves when they are imported, except taking what they need of the language before a
// program can change it (atfork/originals.ts), and for the objects that all copies of the package share
// (atfork/registry.ts).
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
  // Before anything is opened: it would get the number of a standard stream that is closed.
  recordStandard();
  recordProgram();
  recordHolder();
  // Before the descriptors are looked through: some of them are the launcher's, or a predecessor's.
  readHandover();
  readSuccession();
  followSuccession();
  recordStart();
  // Objects of which no list is kept are collected from here on.
  collectChildren();
  collectWorkers();
  recordStartOptions();
}

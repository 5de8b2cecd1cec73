// Node's timers as they were when this module was loaded. A program may install fake timers for its
// tests; those of node:test also replace what a module has imported from node:timers.
import timers from 'node:timers';
import promises from 'node:timers/promises';

export const {
  clearImmediate,
  clearInterval,
  clearTimeout,
  setImmediate,
  setInterval,
  setTimeout,
} = timers;

export const { setImmediate: turn, setTimeout: sleep } = promises;

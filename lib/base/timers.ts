// Node's timers as they were when this was loaded. A program may have fake ones for its tests, and those of
// node:test take the place of what a module has imported from node:timers, too.
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

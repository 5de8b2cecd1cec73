// For tests that do more of the same in `npm run test:all` than in `npm test`. A test file that
// imports this runs in both.
const full = process.env.DAEMONKIT_FULL === '1';

/** How many: of rounds, forks, seconds. */
export const often = (all: number, some: number): number => (full ? all : some);

export const isFull = full;

/** Options of a test that `npm test` leaves out, as others are nearly the same. */
export const whenFull = { skip: !full && 'npm run test:all plays it' };

/** daemonkit: real fork(), sessions, signal flags and daemons for Node.js. */
export { atFork, type ForkHooks } from './atfork.js';
export type { SystemError } from './errors.js';
export { getpgid, getsid, setpgid, setsid } from './session.js';

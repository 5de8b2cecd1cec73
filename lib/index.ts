/** daemonkit: real fork(), sessions, signal flags and daemons for Node.js. */
export { atFork, type ForkHooks } from './atfork.js';
export type { SystemError } from './errors.js';
export { type ForkOptions, type ForkSupport, fork, forkSupport } from './fork.js';
export { getpgid, getsid, setpgid, setsid } from './session.js';

// The recipe in an order that works: a daemon with its own loop, and no event loop.
import { appendFileSync } from 'node:fs';
import { _exit, chroot, closeInherited, fork, redirectToNull, SignalFlag, setsid } from 'daemonkit';

if (fork() !== 0) process.exit(); // the shell has its prompt back
setsid(); // no terminal, no group of the shell's
if (fork() !== 0) _exit(0); // the daemon leads no session
process.umask(0o022);
redirectToNull(); // 0, 1, 2
closeInherited(); // 3 and above, but for Node's own
chroot(process.env.ROOT ?? '/srv/hello'); // also chdir('/')

const timeToDie = new SignalFlag(['SIGINT', 'SIGTERM', 'SIGHUP']);
const pause = new Int32Array(new SharedArrayBuffer(4));
while (!timeToDie.raised) {
  appendFileSync('/ticks', `process ${process.pid} works\n`);
  Atomics.wait(pause, 0, 0, 100); // sleep for 100 ms
}
appendFileSync('/ticks', 'time to die\n');

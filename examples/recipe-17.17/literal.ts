// The recipe, line for line. In Node it ends at the second one.
import { chroot, fork, SignalFlag, setsid } from 'daemonkit';

chroot(process.env.ROOT ?? '/srv/hello');
if (fork() !== 0) process.exit();
setsid();

const timeToDie = new SignalFlag(['SIGINT', 'SIGTERM', 'SIGHUP']);
while (!timeToDie.raised) {
  // the server
}

// A main process that has another parent than systemd when that is told of it counts as nobody's child for good
// (main_pid_alien of its core/service.c): `systemctl stop` sends it SIGTERM, waits for nothing, and sends SIGKILL. The
// parent, a launcher or a predecessor, ends later, and systemd adopts the process, but never looks again, unless
// another main process was told of in between.
import { native, type Watch } from '../addon/native.js';
import { watch } from '../addon/watch.js';
import { waitpidAsync } from '../posix/wait.js';
import { procStat } from '../system/procfs.js';
import { openChannel } from './notify.js';

/** Whether a process is the service manager, of the system or of a user. Its name may be hidden (ProtectProc=). */
function isManager(pid: number): boolean {
  const name = procStat(pid)?.name;
  return name === undefined ? pid === 1 : name === 'systemd';
}

function channel(): number | undefined {
  try {
    return openChannel();
  } catch {
    return undefined; // it is gone
  }
}

function tellAnew(): void {
  const fd = channel();
  if (fd === undefined || !isManager(native.getppid())) return;
  try {
    const child = native.notifyAnew(fd);
    // Without it all is as before.
    if (child > 0) waitpidAsync(child).catch(() => {});
  } catch {
    // Nothing is left to wait with (EMFILE).
  }
}

/**
 * Has systemd look at this process again once it is its child: when the one that has made it, and has told
 * systemd of it, has ended. Keeps nothing alive, and happens in no fork.
 */
export function whenAdopted(): void {
  if (channel() === undefined) return;
  const { pid } = process;
  const parent = native.getppid();
  const end = parent === 0 || isManager(parent) ? -1 : native.exitDescriptor(parent);
  // It is its child already; or the other one has gone just now.
  if (end < 0) {
    tellAnew();
    return;
  }
  const look = () => {
    watched?.close();
    if (process.pid === pid) tellAnew();
  };
  let watched: Watch | undefined;
  try {
    watched = watch(end, look, false, true);
  } catch {
    // EMFILE: all is as before.
  }
}

// If the main process has another parent when systemd receives its pid, systemd treats it as an
// alien process permanently (main_pid_alien in its core/service.c): `systemctl stop` sends it
// SIGTERM, does not wait, and sends SIGKILL. Later the parent, a launcher or a predecessor, ends,
// and systemd adopts the process. But systemd does not check again, unless it receives another main
// pid in between.
import { native, type Watch } from '../addon/native.js';
import { watch } from '../addon/watch.js';
import { waitpidAsync } from '../posix/wait.js';
import { procStat } from '../system/procfs.js';
import { openChannel } from './notify.js';

/**
 * Whether a process is the service manager of the system or of a user. Its name may be hidden
 * (ProtectProc=).
 */
function isManager(pid: number): boolean {
  const name = procStat(pid)?.name;
  return name === undefined ? pid === 1 : name === 'systemd';
}

function channel(): number | undefined {
  try {
    return openChannel();
  } catch {
    return undefined; // it has ended
  }
}

function tellAnew(): void {
  const fd = channel();
  if (fd === undefined || !isManager(native.getppid())) return;
  try {
    const child = native.notifyAnew(fd);
    // Without it nothing changes.
    if (child > 0) waitpidAsync(child).catch(() => {});
  } catch {
    // No descriptor is left for the wait (EMFILE).
  }
}

/**
 * Makes systemd check this process again once it is systemd's child: when the process that made it,
 * and reported it to systemd, has ended. It does not keep the process alive and does nothing in
 * forks.
 */
export function whenAdopted(): void {
  if (channel() === undefined) return;
  const { pid } = process;
  const parent = native.getppid();
  const end = parent === 0 || isManager(parent) ? -1 : native.exitDescriptor(parent);
  // It is already systemd's child, or the other process has just ended.
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
    // EMFILE: nothing changes.
  }
}

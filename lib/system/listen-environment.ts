// LISTEN_PID and LISTEN_FDS: the sockets that a service manager has passed, as sd_listen_fds(3) reads them.
import { INT_MAX } from '../base/validate.js';

/** The first descriptor passed: SD_LISTEN_FDS_START. */
export const START = 3;

/** The process for which the environment was made. A fork of it has the same descriptors. */
const pidAtStart = process.pid;

/** Whether LISTEN_FDS is meant for this process, or for the process that it was forked from. */
export function meantForUs(): boolean {
  return [process.pid, pidAtStart].includes(Number(process.env.LISTEN_PID));
}

/** The numbers of the passed descriptors; they may be closed now. */
export function passedDescriptors(): number[] {
  const count = meantForUs() ? Number(process.env.LISTEN_FDS) : 0;
  if (!Number.isInteger(count) || count <= 0 || count > INT_MAX - START) return [];
  return Array.from({ length: count }, (_, at) => START + at);
}

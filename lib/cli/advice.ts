// What to do about an error that is none of the command line's.

interface Told {
  code?: string;
  step?: string;
  syscall?: string;
}

/** By the step, or the call if there is none, and the error's name; the first that fits. */
const ADVICE: readonly [at: string, code: string, words: string][] = [
  ['pidfile', 'EEXIST', 'stop it first, or give --name or --pidfile to start another one'],
  ['pidfile', 'EAGAIN', 'it is starting, or ending: try again'],
  ['pidfile', 'ENOENT', 'make the directory first, or give another --pidfile'],
  ['pidfile', 'EACCES', 'give a --pidfile that you may write to, or run it as root'],
  ['pidfile', 'EROFS', 'give --pidfile on a file system that can be written to'],
  ['stdio', 'ENOENT', 'make the directory of the log first'],
  ['stdio', 'EACCES', 'give a log that you may write to, or run it as root'],
  ['listen', 'EADDRINUSE', 'another process listens there; ss -ltnxp tells which'],
  ['listen', 'EACCES', 'ports below 1024, and directories of others, are for root'],
  ['listen', 'EADDRNOTAVAIL', 'this machine has no such address; ip address tells which it has'],
  ['pidfd_send_signal', 'EPERM', 'it is the process of another user: be that user, or root'],
  ['kill', 'EPERM', 'it is the process of another user: be that user, or root'],
];

/** As further line of the message; empty if there is nothing to add. */
export function advice({ code, step, syscall }: Told): string {
  const found = ADVICE.find(([at, name]) => at === (step ?? syscall) && name === code);
  return found === undefined ? '' : `\n${found[2]}`;
}

// Advice for errors that are not errors of the command line.

interface Told {
  code?: string;
  step?: string;
  syscall?: string;
}

/**
 * Looked up by the step, or the call if there is no step, and the error's name. The first match
 * counts.
 */
const ADVICE: readonly [at: string, code: string, words: string][] = [
  ['pidfile', 'EEXIST', 'stop it first, or give --name or --pidfile to start another one'],
  ['pidfile', 'EAGAIN', 'it is starting or ending: try again'],
  ['pidfile', 'ENOENT', 'make the directory first, or give another --pidfile'],
  ['pidfile', 'EACCES', 'give a --pidfile that you may write to, or run it as root'],
  ['pidfile', 'EROFS', 'give --pidfile on a file system that can be written to'],
  ['stdio', 'ENOENT', 'make the directory of the log first'],
  ['stdio', 'EACCES', 'give a log that you may write to, or run it as root'],
  ['listen', 'EADDRINUSE', 'another process listens there; ss -ltnxp shows which one'],
  ['listen', 'EACCES', 'only root may use ports below 1024 and directories of other users'],
  ['listen', 'EADDRNOTAVAIL', 'this machine has no such address; ip address lists those it has'],
  [
    'pidfd_send_signal',
    'EPERM',
    'the process belongs to another user: run the command as that user, or as root',
  ],
  [
    'kill',
    'EPERM',
    'the process belongs to another user: run the command as that user, or as root',
  ],
];

/** Returns a further line of the message; empty if there is no advice. */
export function advice({ code, step, syscall }: Told): string {
  const found = ADVICE.find(([at, name]) => at === (step ?? syscall) && name === code);
  return found === undefined ? '' : `\n${found[2]}`;
}

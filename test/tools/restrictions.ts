// What a thread may have alone, so that fork() is refused: the kinds of confine() and confineCaller() in
// test/native/threads.cc, and the words of the refusal.
/** For privileges, also for those that /proc does not show. */
export const own = /a thread has its own user, capabilities, no_new_privs or seccomp filter/;
const unshared = /a thread has its own working directory, root, umask or descriptor table/;
const namespace = /a thread is in its own namespace/;

const KINDS: Record<string, [kind: number, message: RegExp]> = {
  noNewPrivileges: [0, own],
  seccomp: [1, own],
  user: [2, own],
  fileSystem: [3, unshared],
  descriptors: [4, unshared],
  bounds: [5, own],
  secureBits: [6, own],
  hostName: [7, namespace],
  ipc: [8, namespace],
  pids: [9, namespace],
};

/** A scene for each. */
export const restricted = <T>(scene: (kind: number, message: RegExp) => T): Record<string, T> =>
  Object.fromEntries(Object.entries(KINDS).map(([name, of]) => [name, scene(...of)]));

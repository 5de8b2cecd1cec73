// Processes that a test has marked by a variable of their environment, whatever they have become.
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** All with this `NAME=value` but zombies. */
export function marked(mark: string): number[] {
  const ours = (pid: string) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(mark);
    } catch {
      return false;
    }
  };
  // FreeBSD has none; there another process's environment is only visible by ps(1).
  if (!existsSync('/proc/self/environ')) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && ours(name))
    .map(Number);
}

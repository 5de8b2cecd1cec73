// File watchers in fixtures: their events, and the kernel's list of their watches.
import { strict as assert } from 'node:assert';
import {
  type FSWatcher,
  readdirSync,
  readFileSync,
  readlinkSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { fork } from 'daemonkit';
import { until } from './cases.js';
import { reap } from './child.js';

/** The events of each watcher, in the order of their first occurrence. */
export class Told {
  readonly events: Record<string, string[]> = {};
  readonly #watchers: FSWatcher[] = [];

  /** Watches path under a separate name. */
  watch(name: string, path: string, more: { recursive?: boolean } = {}): FSWatcher {
    const watcher = watch(path, more, (event, file) => this.note(name, `${event} ${file}`));
    watcher.on('error', ({ code, message }: NodeJS.ErrnoException) => {
      assert.match(message, /, watch '.+'$/);
      this.note(name, `error ${code}`);
    });
    this.#watchers.push(watcher);
    return watcher;
  }

  note(name: string, event: string): void {
    const events = this.events[name] ?? [];
    this.events[name] = events;
    if (!events.includes(event)) events.push(event);
  }

  /**
   * Waits until the event was reported. An inotify instance reports in order, so all earlier ones
   * were reported too.
   */
  async after(name: string, event: string): Promise<Record<string, string[]>> {
    await until(() => this.events[name]?.includes(event) ?? false);
    return this.events;
  }

  close(): void {
    for (const watcher of this.#watchers) watcher.close();
  }
}

/** "wd:inode" of the process's inotify instance, or none of a process that watches nothing. */
export function marks(): string[] {
  const fd = readdirSync('/proc/self/fd').find((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`) === 'anon_inode:inotify';
    } catch {
      return false; // the listing's own
    }
  });
  const lines = fd === undefined ? [] : readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8').split('\n');
  return lines
    .map((line) => /^inotify wd:(\w+) ino:(\w+)/.exec(line)?.slice(1, 3).join(':') ?? '')
    .filter(Boolean)
    .sort();
}

/** Runs the body in a child, which prints what it returns; it must end by itself. */
export async function childTells(
  body: () => unknown,
  meanwhile: () => unknown = () => {},
): Promise<void> {
  const pid = fork();
  if (pid === 0) {
    console.log(JSON.stringify(await body()));
    return;
  }
  await meanwhile();
  const { exitCode, signal } = await reap(pid);
  assert.equal(signal ?? exitCode, 0);
}

export const touch = (path: string) => writeFileSync(path, 'x');

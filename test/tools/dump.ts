// What a hanging process is doing, thread by thread, written into a folder.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').replaceAll('\0', ' ').trim();
  } catch (error) {
    return `(${(error as NodeJS.ErrnoException).code})`;
  }
}

function threads(pid: number): string {
  return readdirSync(`/proc/${pid}/task`)
    .map((tid) => {
      const of = (name: string) => read(`/proc/${pid}/task/${tid}/${name}`);
      const files = ['comm', 'wchan', 'syscall', 'stack', 'status'];
      return [`== thread ${tid}`, ...files.map((name) => `-- ${name}\n${of(name)}`)].join('\n');
    })
    .join('\n\n');
}

function files(pid: number): string {
  const lines = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    const to = readlinkSync(`/proc/${pid}/fd/${fd}`);
    const info = read(`/proc/${pid}/fdinfo/${fd}`).replaceAll('\n', '\n    ');
    return `${fd} ${to}\n    ${info}`;
  });
  return lines.join('\n');
}

/** Writes FOLDER/NAME/{threads,files,gdb}.txt; gdb.txt only where there is a gdb. */
export function dump(pid: number, folder: string, name: string): string {
  const place = join(folder, name);
  mkdirSync(place, { recursive: true });
  for (const [file, content] of Object.entries({ threads, files })) {
    try {
      writeFileSync(join(place, `${file}.txt`), content(pid));
    } catch (error) {
      writeFileSync(join(place, `${file}.txt`), `${error}`);
    }
  }
  const commands = ['-ex', 'thread apply all bt 40', '-ex', 'info registers'];
  const gdb = spawnSync('gdb', ['-p', `${pid}`, '-batch', ...commands], {
    encoding: 'utf8',
    timeout: 60_000,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (gdb.error === undefined) writeFileSync(join(place, 'gdb.txt'), gdb.stdout + gdb.stderr);
  return place;
}

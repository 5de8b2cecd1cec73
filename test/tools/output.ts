// What a program prints.
import type { ChildProcess } from 'node:child_process';

export interface Output {
  stdout: string;
  stderr: string;
}

/** Collects what comes by the pipes of a child; complete at its 'close' event. */
export function collect(child: ChildProcess): Output {
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  }
  return output;
}

// The help of the command.
import {
  BIRTH,
  COMMON,
  FILE,
  type Options,
  RELOAD,
  STATUS,
  STOP,
  STOP_TIMEOUT,
  UPGRADE,
} from './arguments.js';

const SECTIONS: readonly [title: string, options: Options][] = [
  ['Which daemon', FILE],
  ['start, restart, plan', BIRTH],
  ['stop, restart', STOP],
  ['stop', STOP_TIMEOUT],
  ['reload', RELOAD],
  ['upgrade', UPGRADE],
  ['status', STATUS],
  ['All commands', COMMON],
];

const COLUMN = 24;

function lines([title, options]: (typeof SECTIONS)[number]): string {
  const each = Object.entries(options).map(([name, { value, help }]) => {
    const option = value === undefined ? `--${name}` : `--${name} ${value}`;
    return `  ${option.padEnd(COLUMN)} ${help}`;
  });
  return [`${title}:`, ...each].join('\n');
}

export function helpText(): string {
  return `Usage: daemonkit start   [options] app.js [arguments]
       daemonkit stop    [options]
       daemonkit restart [options] app.js [arguments]
       daemonkit reload  [options]
       daemonkit upgrade [options]
       daemonkit status  [options]
       daemonkit plan    [options] app.js [arguments]
       daemonkit --help | --version

${SECTIONS.map(lines).join('\n\n')}

Without --name and --pidfile, start, restart and plan take the name of the application's file.

Exit codes: 0 done; 1 failed; status: 0 running, 1 dead with pidfile, 3 not running, 4 unknown;
4 it is not certain which process is meant; reload, upgrade: 3 no handler for the signal, 7 not running;
100 usage; 111 system error; start: what the daemon exited with.
`;
}

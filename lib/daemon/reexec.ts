// Becoming a daemon without live fork: the daemon is the same program, started again from its top.
import { fstatSync } from 'node:fs';
import { constants } from 'node:os';
import { isSea } from 'node:sea';
import { addressedTo, passedDescriptors } from '../activation.js';
import { runForkHooks, withForkHooks } from '../atfork.js';
import { openDescriptors } from '../descriptors.js';
import { check, invalidState, systemError } from '../errors.js';
import { forkSupport, permissionObstacles } from '../fork.js';
import { type Inheritance, takeInheritance, VARIABLE } from '../inheritance.js';
import { native } from '../native.js';
import { Pidfile } from '../pidfile.js';
import type { Birth, Lines } from './birth.js';
import { giveUp, tell } from './launch.js';
import type { Plan } from './options.js';
import { inStep, runChecks } from './run-steps.js';

/** Where the program was started, by which relative paths on its command line go. */
const startDirectory = workingDirectory();

function workingDirectory(): string | undefined {
  try {
    return process.cwd();
  } catch {
    return undefined; // it was removed
  }
}

const INTERACTIVE = /^(?:-i|--interactive)$/;
const EVALUATE = /^(?:-e|-p|-pe|--eval(?:=.*)?|--print(?:=.*)?)$/s;

const isEvaluated = () => process.execArgv.some((option) => EVALUATE.test(option));

/** Why the program cannot be started again. */
function obstacles(): string[] {
  const script = process.argv[1];
  const reasons = permissionObstacles();
  if (process.execArgv.some((option) => INTERACTIVE.test(option))) {
    reasons.push('the REPL cannot be started again');
  } else if (!isEvaluated() && (script === undefined || script === '-')) {
    reasons.push('a script that comes from standard input cannot be read again');
  }
  return reasons;
}

/** Which way becomeDaemon() goes; throws ENOTSUP if the program does not allow it. */
export function strategyOf({ detach, strategy }: Plan): 'fork' | 'reexec' {
  if (!detach || strategy === 'fork') return 'fork';
  const { live, reasons } = forkSupport();
  if (strategy === 'auto' && live) return 'fork';
  const against = obstacles();
  if (against.length === 0) return 'reexec';
  const all = strategy === 'auto' ? new Set([...reasons, ...against]) : against;
  throw systemError(-constants.errno.ENOTSUP, 'execve', { detail: [...all].join('; ') });
}

function commandLine(): string[] {
  const [, script = '', ...args] = process.argv;
  // All options of a single executable application are in it, and argv[1] is its own path.
  if (isSea()) return [process.argv0, ...args];
  const node = [process.argv0, ...process.execArgv];
  if (isEvaluated()) return [...node, '--', ...process.argv.slice(1)];
  return [...node, script, ...args];
}

/** What stays open beside the daemon's own descriptors. */
export function descriptorsToPass({ keep, closeInherited }: Plan): number[] {
  const inherited = closeInherited ? [] : openDescriptors().filter((entry) => entry.inherited);
  const passed = new Set([...keep, ...inherited.map(({ fd }) => fd), ...passedDescriptors()]);
  return [...passed].filter((fd) => fd > 2 && native.closeOnExec(fd) >= 0);
}

/**
 * Starts the program again, as a grandchild in a session of its own.
 *
 * @returns the pid of the process between.
 * @throws what fork(2) says; all further errors reach the launcher over the channel.
 */
export function startAgain({ plan, files, pidfile }: Birth, { channel, relay }: Lines): number {
  if (files === undefined) throw invalidState('the files are not open');
  const passed = descriptorsToPass(plan);
  const inheritance: Inheritance = {
    channel,
    relay,
    socket: String(fstatSync(channel, { bigint: true }).ino),
    pidfile: pidfile === undefined ? null : { path: pidfile.path, fd: pidfile.fd },
    passed,
  };
  const addressed = addressedTo(process.pid);
  const omit = [VARIABLE, 'LISTEN_PIDFDID', ...addressed];
  const numbered = [
    `${VARIABLE}=${JSON.stringify(inheritance)} `,
    ...addressed.map((name) => `${name}=`),
  ];
  const directory = startDirectory === workingDirectory() ? '' : startDirectory;
  const standard = [files.null, files.stdout, relay];
  const pass = [channel, relay, ...(pidfile === undefined ? [] : [pidfile.fd]), ...passed];
  return withForkHooks(() =>
    check(
      native.reexec(
        process.execPath,
        commandLine(),
        omit,
        numbered,
        directory ?? '',
        standard,
        pass,
        channel,
      ),
      'fork',
    ),
  );
}

function adopt({ pidfile }: Inheritance, { pidFile }: Plan): Pidfile | undefined {
  if (pidfile?.path !== pidFile) {
    throw invalidState(
      `the script was started again, and calls becomeDaemon() with another pidFile: ${pidFile}, not ${pidfile?.path}`,
    );
  }
  return pidfile === null ? undefined : Pidfile.adopt(pidfile.path, pidfile.fd);
}

/**
 * Takes up what the launcher has handed over, if this process was started by {@link startAgain}, and
 * makes the checks of all steps anew. An error goes to the launcher, which knows no error of the
 * script's own any more.
 *
 * @returns false in any other process; nothing was done then.
 */
export function resume(birth: Birth): boolean {
  const inheritance = takeInheritance();
  if (inheritance === undefined) return false;
  const { channel, relay } = inheritance;
  birth.lines = { channel, relay };
  // The launcher has detached it, whatever this process's surroundings look like.
  birth.plan.detach = true;
  tell(channel, 's');
  try {
    const pidfile = inStep('pidfile', () => adopt(inheritance, birth.plan));
    if (pidfile !== undefined) birth.pidfile = pidfile;
    runChecks(birth);
    inStep('fork', () => runForkHooks('child'));
  } catch (error) {
    giveUp(birth.lines, error);
  }
  return true;
}

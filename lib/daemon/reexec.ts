// Makes a daemon without live fork, by starting the same program again.
import { fstatSync } from 'node:fs';
import { native } from '../addon/native.js';
import { runForkHooks, withForkHooks } from '../atfork/hooks.js';
import { check, invalidState } from '../base/errors.js';
import { adoptPidfile, type Pidfile } from '../pidfile/pidfile.js';
import { addressedTo } from '../service/listenfds.js';
import type { Birth, Lines } from './birth.js';
import { type Inheritance, takeInheritance, VARIABLE } from './handover.js';
import { giveUp, tell } from './lines.js';
import type { Plan } from './options.js';
import { inStep, runChecks } from './run-steps.js';
import { descriptorsToPass, isEvaluated } from './strategy.js';

/** The directory where the program was started. Relative paths on its command line refer to it. */
const startDirectory = workingDirectory();

function workingDirectory(): string | undefined {
  try {
    return process.cwd();
  } catch {
    return undefined; // it was removed
  }
}

function commandLine(): string[] {
  const [, script = '', ...args] = process.argv;
  // A single executable application contains all its options, and argv[1] is its own path. Not by
  // import: Deno has no such module, and a file that imports it does not load there.
  if (process.getBuiltinModule('node:sea')?.isSea()) return [process.argv0, ...args];
  const node = [process.argv0, ...process.execArgv];
  if (isEvaluated()) return [...node, '--', ...process.argv.slice(1)];
  return [...node, script, ...args];
}

/**
 * Starts the program again, as a grandchild in a new session.
 *
 * @returns the pid of the process between.
 * @throws the errors of fork(2); all later errors reach the launcher over the channel.
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

function adopt({ pidfile }: Inheritance, { pidfile: path }: Plan): Pidfile | undefined {
  if (pidfile?.path !== path) {
    throw invalidState(
      `the script was started again, and calls becomeDaemon() with another pidfile: ${path}, not ${pidfile?.path}`,
    );
  }
  return pidfile === null ? undefined : adoptPidfile(pidfile.path, pidfile.fd);
}

/**
 * Takes over the launcher's state if this process was started by {@link startAgain}, and runs the
 * checks of all steps again. Errors go to the launcher, because the launcher's script cannot catch
 * them any more.
 *
 * @returns false in any other process, without any effect.
 */
export function resume(birth: Birth): boolean {
  const inheritance = takeInheritance();
  if (inheritance === undefined) return false;
  const { channel, relay } = inheritance;
  birth.lines = { channel, relay };
  // The launcher has detached this process, even if its environment looks supervised.
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

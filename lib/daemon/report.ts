// The launcher's report: why there is no daemon.
import { type Names, nameOf } from '../addon/names.js';
import { asError, type SystemError, systemError } from '../base/errors.js';
import { signalName } from '../system/signal-numbers.js';
import { explained } from './again.js';
import { STEP_FAILED } from './error.js';
import type { Plan } from './options.js';

/** The kernel accepts no record larger than the socket buffer, and the launcher reads 64 KiB. */
const LONGEST = 32 * 1024;

/** An error as text: the step first, the stack last. */
export function describe(thrown: unknown): string {
  const error = asError(thrown);
  const { step, code, errno } = error as Partial<SystemError> & { step?: string };
  const where = step === undefined ? '' : `step ${step}: `;
  const number = errno === undefined ? '' : ` (errno ${Math.abs(errno)})`;
  const telling = code !== undefined && code !== STEP_FAILED && !error.message.includes(code);
  const named = telling ? `${code}: ` : '';
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  const stack = frames.length > 0 ? `\n${frames.join('\n')}` : '';
  return `${where}${named}${error.message}${number}${stack}`.slice(0, LONGEST);
}

function ending(code: number, signal: number): string {
  if (signal === 0) return `exited with code ${code}`;
  return `was killed by ${signalName(signal)}${code === 1 ? ' (core dumped)' : ''}`;
}

/**
 * How the launcher ends: its exit code, and its message on standard error, which is empty on
 * success.
 */
export interface Verdict {
  message: string;
  exitCode: number;
}

/** How far the daemon came, if it has reported that. */
const at = (stage: string) => (stage === '' ? '' : `; ${stage}`);

const byExit = (code: number, signal: number) => (signal === 0 ? code || 1 : 128 + signal);

/**
 * The error of a call in cpp/sys/reexec.cc. Calls other than fork and setsid prepare the execve.
 */
function failedCall(errno: number, call: string): SystemError {
  const step = call === 'fork' || call === 'setsid' ? call : 'execve';
  const at = call === 'execve' ? { path: process.execPath } : {};
  // The stack would be the launcher's, which is not the cause.
  return Object.assign(systemError(errno, call, at), { step, stack: '' });
}

/**
 * The reason why the daemon never became ready. The command replaces this text, because there
 * ready() is not up to the script.
 */
export const NEVER_CALLED = " (ready: 'manual', but ready() was never called)";

const uncalled = (ready: Plan['ready'], stage: string) =>
  ready === 'manual' && stage === '' ? NEVER_CALLED : '';

type Judge = (code: number, signal: number, text: string, plan: Plan) => Verdict;

const VERDICTS: Record<Names['births'][number], Judge> = {
  ready: () => ({ message: '', exitCode: 0 }),
  failed: (_code, _signal, text) => ({ message: text, exitCode: 1 }),
  died: (code, signal, stage) => ({
    message: `it ${ending(code, signal)} before it was ready${at(stage)}`,
    exitCode: byExit(code, signal),
  }),
  middleDied: (code, signal) => ({
    message: `the process between launcher and daemon ${ending(code, signal)}`,
    exitCode: byExit(code, signal),
  }),
  closed: (_code, _signal, stage) => ({
    message: `it closed the line to the launcher before it was ready${at(stage)}`,
    exitCode: 1,
  }),
  timeout: (_code, _signal, stage, { timeout, ready }) => ({
    message: `it was not ready within ${timeout} ms, and was ended${uncalled(ready, stage)}${at(stage)}`,
    exitCode: 1,
  }),
  interrupted: (_code, signal, stage) => ({
    message: `${signalName(signal)} ended the launcher before the daemon was ready${at(stage)}`,
    exitCode: 128 + signal,
  }),
  error: (code) => ({ message: systemError(code, 'pipe2').message, exitCode: 1 }),
  callFailed: (code, _signal, call) => ({ message: describe(failedCall(code, call)), exitCode: 1 }),
};

export function verdictOf(
  [how, code, signal, text]: [number, number, number, string],
  plan: Plan,
): Verdict {
  const birth = nameOf('births', how) ?? 'error';
  return VERDICTS[birth](code, signal, explained(text, plan), plan);
}

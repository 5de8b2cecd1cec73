// What can be found wrong with a start before anything is done: before the running daemon is stopped,
// before a socket is bound.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { native } from '../addon/native.js';
import { systemError } from '../base/errors.js';
import { type PlannedStep, planDaemon } from '../daemon/plan.js';
import { lookUp } from '../posix/credentials.js';
import { compileAsCommonJs, isCommonJs } from './app.js';
import { expectAddress } from './listen.js';
import type { Start } from './starting.js';

/** An application that cannot be one. */
export class BrokenApplication extends Error {}

/** What Node runs as it is; what else there is, it or a loader may change first. */
const PLAIN = ['', '.js', '.cjs', '.mjs'];
const LOADER = /(?:^|\s)(?:--import|--require|-r|--loader|--experimental-loader)\b/;

const hasLoader = () => LOADER.test([process.env.NODE_OPTIONS, ...process.execArgv].join(' '));

const withoutStack = (text: string) => text.replace(/\n {4}at .*$/s, '');

/** A module can be parsed without being run by another Node only: node:vm has an API for it, behind a flag. */
function expectModule(file: string): void {
  const args = [...process.execArgv, '--check', '--input-type=module', '-'];
  const { status, stderr } = spawnSync(process.execPath, args, {
    input: readFileSync(file),
    encoding: 'utf8',
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  if (status === 0 || !stderr.includes('SyntaxError')) return;
  throw new BrokenApplication(withoutStack(stderr.replace('[stdin]', () => file)));
}

function expectSyntax(file: string): void {
  if (!PLAIN.includes(extname(file)) || hasLoader()) return;
  try {
    if (isCommonJs(file)) compileAsCommonJs(file);
    else expectModule(file);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const { stack = '' } = error;
    throw new BrokenApplication(withoutStack(stack));
  }
}

/** Whether the user that it will be may read the application, inside of the root directory. */
function expectReadable({ options: { user, group, chroot }, app, file }: Start): void {
  accessSync(file, constants.R_OK);
  const { uid = -1, gid = -1, groups = [] } = lookUp(user, group);
  const result = native.tryOpenAs(app, constants.O_RDONLY, chroot ?? '', uid, gid, groups);
  if (result >= 0) return;
  const who = user === undefined ? 'it cannot be opened' : `user ${user} may not read it`;
  const detail = `the application cannot be loaded: ${who}`;
  throw systemError(result, 'open', { path: file, detail });
}

const HELD = ['EEXIST', 'EAGAIN'];

/** A running daemon that is about to be stopped is no obstacle. */
function isExpected({ step, precondition }: PlannedStep, running?: number): boolean {
  if (running === undefined || step !== 'pidfile' || precondition === 'met') return false;
  return HELD.includes(precondition.code);
}

/** The steps of becomeDaemon() that cannot be taken. */
export function obstacles({ options }: Start, running?: number): Error[] {
  const steps = planDaemon(options);
  return steps.flatMap((step) =>
    step.precondition === 'met' || isExpected(step, running) ? [] : step.precondition,
  );
}

/**
 * Throws the first obstacle.
 *
 * @param running - the daemon that will have been stopped by then.
 */
export function rehearse(start: Start, running?: number): void {
  const [obstacle] = obstacles(start, running);
  if (obstacle !== undefined) throw obstacle;
  for (const address of start.addresses) expectAddress(address, running);
}

/** The same, and the application, as far as it can be looked at without being run. */
export function rehearseAll(start: Start, running?: number): void {
  rehearse(start, running);
  expectReadable(start);
  expectSyntax(start.file);
}

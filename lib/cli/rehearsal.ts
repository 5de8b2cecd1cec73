// Finds errors of a start before anything happens: before the running daemon is stopped, and before
// a socket is bound.
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

/** A file that cannot run as an application. */
export class BrokenApplication extends Error {}

/** Files that Node runs unchanged. Node or a loader may transform all others first. */
const PLAIN = ['', '.js', '.cjs', '.mjs'];
const LOADER = /(?:^|\s)(?:--import|--require|-r|--loader|--experimental-loader)\b/;

const hasLoader = () => LOADER.test([process.env.NODE_OPTIONS, ...process.execArgv].join(' '));

const withoutStack = (text: string) => text.replace(/\n {4}at .*$/s, '');

/**
 * Only another Node can parse a module without running it: the API of node:vm for that needs a
 * flag.
 */
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

/** Checks that the daemon's user may read the application, inside of the new root directory. */
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

/** A running daemon that is about to be stopped is not an obstacle. */
function isExpected({ step, precondition }: PlannedStep, running?: number): boolean {
  if (running === undefined || step !== 'pidfile' || precondition === 'met') return false;
  return HELD.includes(precondition.code);
}

/** The errors of the becomeDaemon() steps that are not possible. */
export function obstacles({ options }: Start, running?: number): Error[] {
  const steps = planDaemon(options);
  return steps.flatMap((step) =>
    step.precondition === 'met' || isExpected(step, running) ? [] : step.precondition,
  );
}

/**
 * Throws the first obstacle.
 *
 * @param running - the daemon that will be stopped before the start.
 */
export function rehearse(start: Start, running?: number): void {
  const [obstacle] = obstacles(start, running);
  if (obstacle !== undefined) throw obstacle;
  for (const address of start.addresses) expectAddress(address, running);
}

/** Checks the application too, as far as that is possible without running it. */
export function rehearseAll(start: Start, running?: number): void {
  rehearse(start, running);
  expectReadable(start);
  expectSyntax(start.file);
}

// The files for the daemon's standard input, output and error.
import { closeSync, constants, openSync } from 'node:fs';
import { native } from '../addon/native.js';
import { check } from '../base/errors.js';
import { expectStandard, occupyStandard, standardPlaced } from '../posix/standard.js';
import type { FileOwner } from '../posix/trusted-open.js';
import { isRelayed, outgoingStderr, stderrBecomes } from '../service/successor.js';
import { complain } from '../stdio/log-writer.js';
import {
  expectLog,
  expectReopening,
  logInRoot,
  namedDescriptor,
  openLog,
} from '../stdio/logfile.js';
import { redirectStreams } from '../stdio/streams.js';
import type { Birth } from './birth.js';
import { inStep } from './in-step.js';
import { type Plan, replaced } from './options.js';

const NULL_FLAGS = constants.O_RDWR | constants.O_NOCTTY;

/**
 * Makes sure that the redirection of 0, 1 and 2 to /dev/null and the logs loses nothing: neither a
 * file of the script, nor the daemon's own files, which would get the numbers of closed standard
 * descriptors. libdaemon's daemon_fork() moves its pipe for the same reason.
 */
export function reserveStandard(birth: Birth): void {
  expectStandard(replaced(birth.plan));
  birth.placeholders = occupyStandard();
}

/**
 * Opens /dev/null and the log files, while the process still has the launcher's user and root
 * directory.
 */
export function openFiles(birth: Birth): void {
  const { plan } = birth;
  const nothing = openSync('/dev/null', NULL_FLAGS);
  const files = { null: nothing, stdout: nothing, stderr: nothing };
  // Set at once: if a log file cannot be opened, undoing closes the files that are open already.
  birth.files = files;
  const owner = writerOf(birth);
  const open = (path: string, fd: number) =>
    birth.succeeds ? openOrKeep(path, fd, owner) : openLog(path, owner);
  if (plan.stdout !== undefined) files.stdout = open(plan.stdout, 1);
  if (plan.stderr === plan.stdout) files.stderr = files.stdout;
  else if (plan.stderr !== undefined) files.stderr = open(plan.stderr, outgoingStderr());
  if (birth.succeeds) return;
  for (const path of logs(plan)) expectReopenable(path, birth, true);
}

/**
 * Errors when the daemon's user may not open the log again. The process still has the former file.
 */
const CLOSED = ['EACCES', 'EPERM', 'EROFS'];

/** A log that cannot be opened again must not make an upgrade fail. */
function openOrKeep(path: string, before: number, owner: FileOwner | undefined): number {
  try {
    return openLog(path, owner);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!CLOSED.includes(code ?? '')) throw error;
    complain(
      `daemonkit: the log could not be reopened, and the old file stays in use: ${message}\n`,
    );
    return duplicate(before);
  }
}

function duplicate(before: number): number {
  const fd = check(native.dup(before), 'dup');
  check(native.closeRange(fd, fd, true, 0), 'fcntl');
  return fd;
}

/** Checks that the daemon's user could open the log files, and reopen them. Makes no file. */
export function probeFiles(birth: Birth): void {
  expectStandard(replaced(birth.plan));
  for (const path of logs(birth.plan)) {
    expectReopenable(path, birth, expectLog(path, writerOf(birth)));
  }
}

const logs = ({ stdout, stderr }: Plan) =>
  [...new Set([stdout, stderr])].filter((path) => path !== undefined);

/** The user and group that write the logs after the change of users. */
function writerOf({ credentials: { uid, gid } }: Birth): FileOwner | undefined {
  if (gid === undefined) return undefined;
  return { uid: uid ?? process.geteuid?.() ?? 0, gid };
}

function expectReopenable(path: string, { plan, credentials }: Birth, there: boolean): void {
  if (plan.reopenOn.length === 0) return;
  expectReopening(path, plan.chroot, credentials, there, plan.reopenOn.join(', '));
}

/** Describes the targets of 0, 1 and 2. */
export function describeStdio(plan: Plan, { credentials: { uid } }: Birth): string | undefined {
  const { detach, stdout, stderr, reopenOn } = plan;
  const nothing = detach ? '/dev/null' : undefined;
  const [output, error] = [stdout ?? nothing, stderr ?? nothing];
  const moves = [
    nothing && `standard input to ${nothing}`,
    output && `standard output to ${output}`,
    error && `standard error to ${error}`,
  ].filter((move) => move !== undefined);
  if (moves.length === 0) return undefined;
  const who = uid === undefined ? '' : ` by user ${uid}`;
  const anew =
    reopenOn.length === 0 || logs(plan).length === 0
      ? ''
      : ` (reopened${who} at ${reopenOn.join(', ')})`;
  return `point ${moves.join(', ')}${anew}`;
}

export function closeFiles(birth: Birth): void {
  const { files } = birth;
  if (files === undefined) return;
  for (const fd of new Set([files.null, files.stdout, files.stderr])) closeSync(fd);
  delete birth.files;
}

/** In a process that continues without becoming a daemon. */
export function vacateStandard(birth: Birth): void {
  for (const fd of birth.placeholders ?? []) closeSync(fd);
  delete birth.placeholders;
}

/**
 * Redirects 0, 1 and 2 to the files. If there is a launcher, 2 leads to it until the daemon is
 * ready.
 */
export function redirectToFiles(birth: Birth): void {
  const { files, lines, plan, survey } = birth;
  if (files === undefined || survey === undefined) return;
  const { detach } = plan;
  const moves: [fd: number, target: number][] = [];
  const relayed = birth.succeeds && isRelayed();
  if (detach) moves.push([0, files.null]);
  if (detach || plan.stdout !== undefined) moves.push([1, files.stdout]);
  if (detach || plan.stderr !== undefined) {
    // Until the start has succeeded, errors go to the predecessor.
    if (relayed) stderrBecomes(duplicate(files.stderr));
    else moves.push([2, files.stderr]);
  }
  if (detach) moves.push(...survey.terminals.map((fd) => [fd, files.null] as [number, number]));
  redirectStreams(moves, survey.epolls);
  // Only now: process.stderr must find a file, not a socket that is soon replaced.
  if (lines === undefined) {
    closeFiles(birth);
  } else {
    check(native.redirect(2, lines.relay, []), 'dup2');
    // In a program that was started again, process.stderr may have used the socket, and Node makes
    // sockets non-blocking. (Node 22 and later make that stream when node:util is imported.) A
    // logger that writes to 2 would get EAGAIN.
    check(native.makeBlocking(2), 'fcntl');
  }
}

/** Leaves the launcher: standard error goes to its file, and after `last` the lines are closed. */
export function leaveLauncher(birth: Birth, last: (channel: number) => void = () => {}): void {
  const { files, lines } = birth;
  if (files === undefined || lines === undefined) return;
  // While a failure can still be reported.
  check(native.redirect(2, files.stderr, []), 'dup2');
  delete birth.lines;
  closeFiles(birth);
  closeSync(lines.relay);
  last(lines.channel);
  closeSync(lines.channel);
}

/** Opens the log files again; if one cannot be opened, all stay as they are. */
export function reopenFiles(birth: Birth): void {
  inStep('stdio', () => reopenAll(birth));
}

function reopenAll({ plan, files, lines }: Birth): void {
  // Until the launcher knows that the daemon is ready, 2 leads to it, and the log has another
  // number.
  const stderr = lines === undefined ? 2 : files?.stderr;
  const moves: { fd: number; file: number }[] = [];
  const add = (fd: number | undefined, path: string | undefined) => {
    // A path that names a descriptor (/dev/fd/N) is open already.
    if (fd === undefined || path === undefined || namedDescriptor(path) !== undefined) return;
    moves.push({ fd, file: openLog(logInRoot(path, plan.chroot)) });
  };
  try {
    add(1, plan.stdout);
    add(stderr, plan.stderr);
    for (const { fd, file } of moves) {
      check(native.redirect(fd, file, []), 'dup2');
      standardPlaced(fd);
    }
  } finally {
    for (const { file } of moves) closeSync(file);
  }
}

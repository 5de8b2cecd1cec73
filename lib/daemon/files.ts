// The files that the daemon's standard input, output and error become.
import { closeSync, constants, openSync } from 'node:fs';
import { check } from '../errors.js';
import { native } from '../native.js';
import { redirectStandardStreams } from '../stdio.js';
import type { Birth } from './birth.js';

const LOG = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOCTTY;

/** Opens /dev/null and the log files, while root and root directory are still the launcher's. */
export function openFiles(birth: Birth): void {
  const { plan } = birth;
  const nothing = openSync('/dev/null', constants.O_RDWR | constants.O_NOCTTY);
  const files = { null: nothing, stdout: nothing, stderr: nothing };
  // At once, so that undoing closes what is open by now if a log file cannot be opened.
  birth.files = files;
  if (plan.stdout !== undefined) files.stdout = openSync(plan.stdout, LOG, 0o640);
  if (plan.stderr === plan.stdout) files.stderr = files.stdout;
  else if (plan.stderr !== undefined) files.stderr = openSync(plan.stderr, LOG, 0o640);
}

export function closeFiles(birth: Birth): void {
  const { files } = birth;
  if (files === undefined) return;
  for (const fd of new Set([files.null, files.stdout, files.stderr])) closeSync(fd);
  delete birth.files;
}

/** Points 0, 1 and 2 to the files; but 2 to the launcher, if there is one, until the end. */
export function redirectToFiles(birth: Birth): void {
  const { files, lines, plan, survey } = birth;
  if (files === undefined || survey === undefined) return;
  const { detach } = plan;
  const stdin = detach ? files.null : 0;
  const stdout = detach || plan.stdout !== undefined ? files.stdout : 1;
  const stderr = detach || plan.stderr !== undefined ? files.stderr : 2;
  redirectStandardStreams([stdin, stdout, stderr], detach ? survey.terminals : [], survey.epolls);
  // Only now, so that process.stderr has found a file, not a socket that soon is one no more.
  if (lines === undefined) closeFiles(birth);
  else check(native.redirect(2, lines.relay, []), 'dup2');
}

/** Parts from the launcher: standard error goes to its file, and after `last` nothing is open. */
export function leaveLauncher(birth: Birth, last: (channel: number) => void = () => {}): void {
  const { files, lines } = birth;
  if (files === undefined || lines === undefined) return;
  delete birth.lines;
  check(native.redirect(2, files.stderr, []), 'dup2');
  closeFiles(birth);
  closeSync(lines.relay);
  last(lines.channel);
  closeSync(lines.channel);
}

// What must be finished or known before the first fork of a process.
import { native } from '../addon/native.js';

/** Options that make Node read certificates on a separate thread while it starts. */
const READS_CERTIFICATES = /^--use-(system|openssl)-ca$/;

let starting = false;

/** Runs when the package is loaded, because it takes as long as the child's whole refresh. */
export function recordStartOptions(): void {
  starting = readsCertificates();
}

function readsCertificates(): boolean {
  if (process.env.NODE_EXTRA_CA_CERTS) return true;
  const options = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? '').split(/\s+/)];
  return options.some((option) => READS_CERTIFICATES.test(option));
}

/**
 * Node 22 and later read NODE_EXTRA_CA_CERTS on a separate thread while the program starts. After a
 * fork in the middle of that, two threads would read one file with one offset, and each would get
 * half of it. So the first fork of a young process waits for that thread.
 */
export function awaitStartup(): void {
  if (!starting) return;
  starting = false;
  if (process.uptime() < 10) native.quiesce(2000);
}

// What must be over, or known, before the first fork of a process.
import { native } from '../addon/native.js';

/** Options of Node that make it read certificates on a thread of its own while it starts. */
const READS_CERTIFICATES = /^--use-(system|openssl)-ca$/;

let starting = false;

/** When the package is loaded: it takes as long as the child's whole refresh. */
export function recordStartOptions(): void {
  starting = readsCertificates();
}

function readsCertificates(): boolean {
  if (process.env.NODE_EXTRA_CA_CERTS) return true;
  const options = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? '').split(/\s+/)];
  return options.some((option) => READS_CERTIFICATES.test(option));
}

/**
 * Node 22 and later read NODE_EXTRA_CA_CERTS on a thread of their own while the program starts. A
 * fork in the middle of that would leave two threads reading one file with one offset, each getting
 * half of it; so the first fork of a young process lets that thread finish.
 */
export function awaitStartup(): void {
  if (!starting) return;
  starting = false;
  if (process.uptime() < 10) native.quiesce(2000);
}

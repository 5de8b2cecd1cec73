// Signals on a command line, and their effect on a process.
import { execFileSync } from 'node:child_process';
import { procText } from '../system/procfs.js';
import { type SignalName, signalName, signalNumber } from '../system/signal-numbers.js';
import { UsageError } from './arguments.js';

/** The name of a signal, with or without `SIG`, or its number. */
export function signalOf(text: string, option: string): SignalName {
  try {
    if (/^\d+$/.test(text)) return signalName(signalNumber(Number(text), 'signal'));
    const name = text.toUpperCase();
    return signalName(signalNumber(name.startsWith('SIG') ? name : `SIG${name}`, 'signal'));
  } catch (error) {
    const hint = /did you mean 'SIG([^']*)'/.exec((error as Error).message)?.[1];
    const words = hint === undefined ? '' : `; did you mean ${hint}?`;
    throw new UsageError(`--${option}: '${text}' is not a signal${words}`);
  }
}

/** Bit masks; signal 1 is the lowest bit. */
interface Masks {
  caught: bigint;
  ignored: bigint;
}

function masksIn(caught: string | undefined, ignored: string | undefined): Masks | undefined {
  if (caught === undefined || ignored === undefined) return undefined;
  return { caught: BigInt(`0x${caught}`), ignored: BigInt(`0x${ignored}`) };
}

/**
 * Reads proc_pid_status(5), or without /proc the output of ps(1). FreeBSD's ps has the same
 * keywords as procps.
 */
function masksOf(pid: number): Masks | undefined {
  const status = procText(`${pid}/status`);
  const field = (name: string) =>
    new RegExp(`^${name}:\\s*([0-9a-f]+)$`, 'm').exec(status ?? '')?.[1];
  if (status !== undefined) return masksIn(field('SigCgt'), field('SigIgn'));
  if (process.platform === 'linux') return undefined;
  try {
    const text = execFileSync('ps', ['-o', 'caught=', '-o', 'ignored=', '-p', `${pid}`], {
      stdio: ['ignore', 'pipe', 'ignore'],
      encoding: 'latin1',
    });
    const [, caught, ignored] = /^\s*([0-9a-f]+)\s+([0-9a-f]+)\s*$/.exec(text) ?? [];
    return masksIn(caught, ignored);
  } catch {
    return undefined;
  }
}

/**
 * The effect of a signal on a process: a handler runs, the process ignores it, or the default
 * action follows, which for most signals ends the process.
 *
 * @returns undefined if this user may not see it.
 */
export function reaction(
  pid: number,
  signal: string,
): 'handler' | 'nothing' | 'default' | undefined {
  const masks = masksOf(pid);
  if (masks === undefined) return undefined;
  const bit = 1n << BigInt(signalNumber(signal, 'signal') - 1);
  if ((masks.caught & bit) !== 0n) return 'handler';
  return (masks.ignored & bit) !== 0n ? 'nothing' : 'default';
}

// Checks the options `listen` and `balance`.
import { invalidArgType, invalidArgValue, outOfRange } from '../../base/errors.js';
import { fileDescriptor, fileDescriptors } from '../../base/validate.js';
import { BACKLOG, type ListenPlan, listenPlan } from '../../posix/listen.js';
import type { PreforkOptions } from '../options.js';

export interface Listening {
  /** The socket that the master opens. */
  listen: ListenPlan | undefined;
  /** The caller's descriptors. */
  given: readonly number[];
  balance: 'shared' | 'reuseport';
  /** How many connections may wait in each queue. */
  backlog: number;
}

const KINDS = ['shared', 'reuseport'] as const;

function balanceOf(value: unknown): Listening['balance'] {
  const found = KINDS.find((kind) => kind === value);
  if (found !== undefined) return found;
  throw invalidArgValue('options.balance', value, `must be one of: ${KINDS.join(', ')}`);
}

function planOf(value: unknown): ListenPlan {
  if (typeof value === 'object') return listenPlan(value, 'options.listen');
  throw invalidArgType('options.listen', 'of type object, number or Array', value);
}

/** Descriptors of the program, each with its own queue. A connection may go to any of them. */
function queues(value: readonly unknown[], balance: Listening['balance'], seats: number): number[] {
  const fds = fileDescriptors(value, 'options.listen');
  if (balance === 'shared') {
    const why = "needs balance: 'reuseport': workers that share a socket have one";
    throw invalidArgValue('options.listen', fds, why);
  }
  if (new Set(fds).size < fds.length || fds.length === 0) {
    throw invalidArgValue('options.listen', fds, 'must be different descriptors, one at least');
  }
  if (fds.length > seats) {
    throw outOfRange('options.workers', `>= ${fds.length}, one for each socket`, seats);
  }
  return fds;
}

const refuse = (why: string) => invalidArgValue('options.balance', 'reuseport', why);

/** Checks that a socket can share its address with others. */
function expectGroup(listen: ListenPlan | undefined): void {
  if (listen === undefined) throw refuse('needs listen');
  if ('path' in listen) throw refuse('needs a port: a Unix socket has one queue');
  if (!listen.reusePort) return;
  const why = "cannot be combined with balance: 'reuseport'";
  throw invalidArgValue('options.listen.reusePort', true, why);
}

export function listeningPlan(options: Partial<PreforkOptions>, seats: number): Listening {
  const balance = options.balance === undefined ? 'shared' : balanceOf(options.balance);
  const value: unknown = options.listen;
  const theirs = { listen: undefined, balance, backlog: BACKLOG };
  if (Array.isArray(value)) return { ...theirs, given: queues(value, balance, seats) };
  if (typeof value === 'number') {
    const fd = fileDescriptor(value, 'options.listen');
    if (balance === 'shared') return { ...theirs, given: [fd] };
    throw refuse(
      'needs a port, or an array of descriptors of listeningSocket({ reusePort: true })',
    );
  }
  const listen = value === undefined ? undefined : planOf(value);
  if (balance === 'reuseport') expectGroup(listen);
  return { listen, given: [], balance, backlog: listen?.backlog ?? BACKLOG };
}

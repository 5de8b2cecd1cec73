// Resource limits: getrlimit(2), setrlimit(2).

import { native } from '../addon/native.js';
import { check, invalidArgType, invalidArgValue, outOfRange } from '../base/errors.js';
import { options, string } from '../base/validate.js';

/**
 * A resource's name, that of its constant without RLIMIT_: NOFILE, NPROC, CORE, AS, STACK, DATA, CPU,
 * FSIZE, MEMLOCK, RSS; on Linux also LOCKS, MSGQUEUE, NICE, RTPRIO, RTTIME, SIGPENDING, on FreeBSD
 * KQUEUES, NPTS, SBSIZE, SWAP, UMTXP.
 */
export type Resource =
  | 'AS'
  | 'CORE'
  | 'CPU'
  | 'DATA'
  | 'FSIZE'
  | 'KQUEUES'
  | 'LOCKS'
  | 'MEMLOCK'
  | 'MSGQUEUE'
  | 'NICE'
  | 'NOFILE'
  | 'NPROC'
  | 'NPTS'
  | 'RSS'
  | 'RTPRIO'
  | 'RTTIME'
  | 'SBSIZE'
  | 'SIGPENDING'
  | 'STACK'
  | 'SWAP'
  | 'UMTXP';

/** Infinity is no limit; a bigint stands for what a number could not hold exactly (from 2^53 on). */
export type Limit = number | bigint;

/** The limits of a resource, in its unit: bytes, seconds (CPU), microseconds (RTTIME), or a count. */
export interface ResourceLimits {
  /** What the kernel enforces. */
  soft: Limit;
  /** As far as the soft limit may be raised. Lowering it needs no privilege, raising it does. */
  hard: Limit;
}

/** New limits for {@link setrlimit}: at least one of the two. */
export type NewLimits =
  | { soft: Limit; hard?: Limit | undefined }
  | { soft?: Limit | undefined; hard: Limit };

const UNLIMITED = 2n ** 64n - 1n;

let known: Map<string, number> | undefined;

function resourceNumber(value: unknown, name = 'resource'): number {
  known ??= new Map(native.rlimitResources());
  const number = known.get(string(value, name));
  if (number === undefined) {
    const names = [...known.keys()].join(', ');
    throw invalidArgValue(name, value, `must be one of: ${names}`);
  }
  return number;
}

function fromKernel(value: bigint): Limit {
  if (value === UNLIMITED) return Infinity;
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? value : Number(value);
}

/** A limit as the kernel takes it. */
function limit(value: unknown, name: string): bigint {
  if (value === Infinity) return UNLIMITED;
  if (typeof value !== 'number' && typeof value !== 'bigint') {
    throw invalidArgType(name, 'of type number or bigint', value);
  }
  // A number above may be another one than was written.
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw outOfRange(name, 'a safe integer, a bigint or Infinity', value);
  }
  const exact = BigInt(value);
  if (exact < 0n || exact >= UNLIMITED) throw outOfRange(name, '>= 0 && < 2n ** 64n - 1n', value);
  return exact;
}

/** The limits of a resource by its number, as the kernel has them. */
export function currentLimits(resource: number): [soft: bigint, hard: bigint] {
  const [result, soft, hard] = native.getrlimit(resource);
  check(result, 'getrlimit');
  return [soft, hard];
}

/**
 * Returns the limits of a resource. They are the process's, for all its threads.
 *
 * Node raises the soft limit of NOFILE to the hard one when it starts.
 *
 * @param resource - see {@link Resource}.
 * @returns the limits; `Infinity` is no limit.
 * @throws `TypeError` (`ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`) for what is no resource of
 *   this system.
 *
 * Source: getrlimit(2), POSIX.1. Linux and FreeBSD, each with resources of its own.
 */
export function getrlimit(resource: Resource): ResourceLimits {
  const [soft, hard] = currentLimits(resourceNumber(resource));
  return { soft: fromKernel(soft), hard: fromKernel(hard) };
}

/** Limits to be set; what is absent stays. */
export interface LimitsPlan {
  number: number;
  soft: bigint | undefined;
  hard: bigint | undefined;
}

/** Checks what {@link setrlimit} is given; no system call. */
export function limitsPlan(resource: unknown, limits: unknown, name = 'limits'): LimitsPlan {
  const number = resourceNumber(resource, name === 'limits' ? 'resource' : name);
  const { soft, hard } = options<ResourceLimits>(limits, ['soft', 'hard'], name);
  if (soft === undefined && hard === undefined) {
    throw invalidArgValue(name, limits, 'must have soft or hard');
  }
  const newSoft = soft === undefined ? undefined : limit(soft, `${name}.soft`);
  const newHard = hard === undefined ? undefined : limit(hard, `${name}.hard`);
  if (newSoft !== undefined && newHard !== undefined && newSoft > newHard) {
    throw outOfRange(`${name}.soft`, `<= ${name}.hard (${hard})`, soft);
  }
  return { number, soft: newSoft, hard: newHard };
}

/** The same of several resources, by their names. */
export function limitsPlans(value: unknown, name: string): LimitsPlan[] {
  const known = typeof value === 'object' ? Object.keys(value ?? {}) : [];
  const given = Object.entries(options<Record<string, unknown>>(value, known, name));
  return given.flatMap(([resource, limits]) =>
    limits === undefined ? [] : limitsPlan(resource, limits, `${name}.${resource}`),
  );
}

export function setLimits({ number, soft, hard }: LimitsPlan): void {
  const [oldSoft, oldHard] = currentLimits(number);
  check(native.setrlimit(number, soft ?? oldSoft, hard ?? oldHard), 'setrlimit');
}

/**
 * Changes the limits of a resource, for the process and for the children that it will have.
 *
 * @param resource - see {@link Resource}.
 * @param limits - the new ones; what is absent stays as it is.
 * @throws `EPERM` (syscall `setrlimit`) if the hard limit would rise without CAP_SYS_RESOURCE, or
 *   NOFILE's above /proc/sys/fs/nr_open; `EINVAL` if the soft limit would exceed the hard one that
 *   stays, or the other way round. `RangeError` (`ERR_OUT_OF_RANGE`) for a limit that is negative,
 *   no integer, too large, or above the hard one of the same call; `TypeError` for what is no
 *   resource, no number or bigint, for unknown options and none.
 *
 * Source: setrlimit(2), POSIX.1. Linux and FreeBSD, each with resources of its own.
 */
export function setrlimit(resource: Resource, limits: NewLimits): void {
  setLimits(limitsPlan(resource, limits));
}

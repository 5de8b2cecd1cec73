// Resource limits: getrlimit(2), setrlimit(2).

import { native } from '../addon/native.js';
import { check, invalidArgType, invalidArgValue, outOfRange } from '../base/errors.js';
import { options, string } from '../base/validate.js';

/**
 * A resource's name, which is its constant without RLIMIT_: NOFILE, NPROC, CORE, AS, STACK, DATA,
 * CPU, FSIZE, MEMLOCK, RSS; on Linux also LOCKS, MSGQUEUE, NICE, RTPRIO, RTTIME, SIGPENDING, on
 * FreeBSD KQUEUES, NPTS, SBSIZE, SWAP, UMTXP.
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

/**
 * A limit. Infinity means no limit. Values from 2^53 on are bigints, because a number is not exact
 * there.
 */
export type Limit = number | bigint;

/** The limits of a resource, in its unit: bytes, seconds (CPU), microseconds (RTTIME), or a count. */
export interface ResourceLimits {
  /** The limit that the kernel enforces. */
  soft: Limit;
  /** The maximum of the soft limit. Raising it needs a privilege, lowering it does not. */
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

/** A limit in the kernel's form. */
function limit(value: unknown, name: string): bigint {
  if (value === Infinity) return UNLIMITED;
  if (typeof value !== 'number' && typeof value !== 'bigint') {
    throw invalidArgType(name, 'of type number or bigint', value);
  }
  // Larger numbers may be rounded.
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw outOfRange(name, 'a safe integer, a bigint or Infinity', value);
  }
  const exact = BigInt(value);
  if (exact < 0n || exact >= UNLIMITED) throw outOfRange(name, '>= 0 && < 2n ** 64n - 1n', value);
  return exact;
}

/** The limits of a resource by its number, in the kernel's form. */
export function currentLimits(resource: number): [soft: bigint, hard: bigint] {
  const [result, soft, hard] = native.getrlimit(resource);
  check(result, 'getrlimit');
  return [soft, hard];
}

/**
 * Returns the limits of a resource. They apply to the whole process, with all its threads.
 *
 * Node raises the soft limit of NOFILE to the hard one when it starts.
 *
 * @param resource - see {@link Resource}.
 * @returns the limits; `Infinity` means no limit.
 * @throws `TypeError` (`ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`) for anything except a
 *   resource of this system.
 *
 * Source: getrlimit(2), POSIX.1. Linux and FreeBSD, each with its own resources.
 */
export function getrlimit(resource: Resource): ResourceLimits {
  const [soft, hard] = currentLimits(resourceNumber(resource));
  return { soft: fromKernel(soft), hard: fromKernel(hard) };
}

/** Limits to set; absent ones stay unchanged. */
export interface LimitsPlan {
  number: number;
  soft: bigint | undefined;
  hard: bigint | undefined;
}

/** Checks the arguments of {@link setrlimit}; makes no system call. */
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

/** The same for several resources by name. */
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
 * Changes the limits of a resource, for the process and its later children.
 *
 * @param resource - see {@link Resource}.
 * @param limits - the new limits; absent ones stay unchanged.
 * @throws `EPERM` (syscall `setrlimit`) if the hard limit would rise without CAP_SYS_RESOURCE, or
 *   that of NOFILE would exceed /proc/sys/fs/nr_open; `EINVAL` if a new soft limit would exceed the
 *   present hard limit, or a new hard limit would be below the present soft limit. `RangeError`
 *   (`ERR_OUT_OF_RANGE`) for a limit that is negative, not an integer, too large, or above the hard
 *   limit of the same call; `TypeError` for an unknown resource, a limit that is neither number nor
 *   bigint, unknown options, and if no limit is given.
 *
 * Source: setrlimit(2), POSIX.1. Linux and FreeBSD, each with its own resources.
 */
export function setrlimit(resource: Resource, limits: NewLimits): void {
  setLimits(limitsPlan(resource, limits));
}

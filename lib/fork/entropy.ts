// Random numbers that were generated in advance: parent and child must not return the same ones.
import { randomInt, randomUUID } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { native } from '../addon/native.js';
import {
  apply,
  defineProperty,
  getOwnPropertyDescriptor,
  PlainSymbol,
  setValue,
} from '../atfork/originals.js';

// The original function, which other modules may have stored too. A replaced Math.random is up to
// the program.
const { random } = Math;
const uuid = randomUUID;
const int = randomInt;
const ours = /\[native code\]/.test(Function.prototype.toString.call(random));

/** The state that the addon reaches in V8's heap. */
interface Found {
  generator: boolean;
  caches: boolean;
}

const { readUIntBE } = Buffer.prototype;

let found: Found | undefined;

/** Searches once, at a time when a fork can still be refused. */
function look(): Found {
  if (found === undefined) {
    const places = native.entropyFound(random, uuid);
    found = { generator: places[0], caches: places[1] };
    const integers = native.randomIntCache(int);
    if (integers !== undefined) watchIntegers(integers);
  }
  return found;
}

/** The reason why a child could not get a different Math.random. */
export function entropyObstacle(): string | undefined {
  if (look().generator || !ours || Math.random !== random) return undefined;
  const property = getOwnPropertyDescriptor(Math, 'random');
  if (property?.writable || property?.configurable) return undefined;
  return "Math.random cannot be replaced (Math is frozen), and V8's generator was not found";
}

/** Whether a child has to refill the cache once more. */
let redraw = false;

/**
 * If a pool thread is filling the cache of randomInt() during the fork, it fills in the same
 * numbers in both processes. So in the child the first use of a fresh cache, which begins at 0,
 * fills it again. This is prepared in the parent, because changing the object in the child would
 * delay its first statement by a tenth of a millisecond.
 */
function watchIntegers(cache: Buffer): void {
  const value = (offset: number, bytes: number): number => {
    if (redraw && offset === 0) {
      redraw = false;
      native.fillRandom(cache);
    }
    return apply(readUIntBE, cache, [offset, bytes]) as number;
  };
  defineProperty(cache, 'readUIntBE', { __proto__: null, value } as PropertyDescriptor);
}

/**
 * randomUUID() and randomInt() return numbers that were generated in advance: 128 UUIDs and 1,024
 * integers (lib/internal/crypto/random.js, kBatchSize and randomCache). Taking as many empties the
 * caches. This is only the fallback, because it makes async resources that async_hooks see.
 */
function drawAll(): void {
  for (let i = 0; i < 128; i++) uuid();
  for (let i = 0; i <= 1024; i++) int(2);
}

/**
 * A Math.random with a new sequence. V8 seeds a context's generator at the first use, from
 * --random-seed if that is set. Skipping a random number of values extends the 31 bits of the flag.
 */
function seededRandom(): () => number {
  const seed = int(1, 2 ** 31);
  setFlagsFromString(`--random-seed=${seed}`);
  const seeded = runInNewContext('Math.random') as () => number;
  seeded();
  setFlagsFromString('--random-seed=0');
  for (let skip = int(4096); skip > 0; skip--) seeded();
  return seeded;
}

/**
 * For a generator that the addon cannot reach. A new context costs a millisecond, so it is made at
 * the first use.
 */
function replaceRandom(): void {
  if (!ours || Math.random !== random) return;
  setValue(Math, 'random', function random() {
    const seeded = seededRandom();
    setValue(Math, 'random', seeded);
    return seeded();
  });
}

const steps = new Uint8Array(1);

/**
 * V8 seeds the Math.random of a new context, for example of node:vm, from one generator of the
 * process. That generator also makes the hash of each symbol (Factory::NewSymbol), so making symbols
 * advances it, in half the time that objects in a Set take. It advances by 128 steps on average;
 * each step delays the child's first statement by a quarter of a microsecond. A seed takes eight.
 */
function moveSeedsOn(rehearsal?: boolean): void {
  if (rehearsal) return;
  native.fillRandom(steps);
  for (let i = steps[0] as number; i >= 0; i--) PlainSymbol();
}

/** Runs in the child. `have` is for tests. */
export function refreshEntropy(have: Found = look(), rehearsal?: boolean): void {
  moveSeedsOn(rehearsal);
  if (rehearsal) return;
  if (!native.refreshEntropy(have.generator ? random : null, have.caches ? uuid : null)) {
    throw new Error('the system returned no random numbers');
  }
  if (!have.generator) replaceRandom();
  if (!have.caches) drawAll();
  redraw = true;
}

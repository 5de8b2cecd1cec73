// Random numbers that were drawn in advance: parent and child must not hand out the same.
import { randomInt, randomUUID } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { native } from '../addon/native.js';
import {
  apply,
  defineProperty,
  getOwnPropertyDescriptor,
  PlainSet,
  setValue,
} from '../atfork/originals.js';

// The originals, which a copy that somebody took is too. A Math.random that the program has put in
// its place is the program's.
const { random } = Math;
const uuid = randomUUID;
const int = randomInt;
const ours = /\[native code\]/.test(Function.prototype.toString.call(random));

/** What of it the addon reaches in V8's heap. */
interface Found {
  generator: boolean;
  caches: boolean;
}

const { readUIntBE } = Buffer.prototype;

let found: Found | undefined;

/** Looks for them, once, and while it can be refused. */
function look(): Found {
  if (found === undefined) {
    const places = native.entropyFound(random, uuid);
    found = { generator: places[0], caches: places[1] };
    const integers = native.randomIntCache(int);
    if (integers !== undefined) watchIntegers(integers);
  }
  return found;
}

/** Why Math.random could not be made another one in a child. */
export function entropyObstacle(): string | undefined {
  if (look().generator || !ours || Math.random !== random) return undefined;
  const property = getOwnPropertyDescriptor(Math, 'random');
  if (property?.writable || property?.configurable) return undefined;
  return "Math.random cannot be replaced (Math is frozen), and V8's generator was not found";
}

/** A child has to draw once more when the cache was filled. */
let redraw = false;

/**
 * If a thread of the pool is drawing for randomInt() when the process is forked, it draws the same in both
 * processes. So in the child the first use of a fresh cache, which begins at 0, draws once more. Made
 * ready in the parent: to change the object costs the child's first statement a tenth of a millisecond.
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
 * randomUUID() and randomInt() hand out entropy drawn in advance: 128 UUIDs and 1,024 integers
 * (lib/internal/crypto/random.js, kBatchSize and randomCache). Drawing as many empties them. It makes
 * async resources that async_hooks see, so it is only the second best way.
 */
function drawAll(): void {
  for (let i = 0; i < 128; i++) uuid();
  for (let i = 0; i <= 1024; i++) int(2);
}

/**
 * A Math.random with a sequence of its own. V8 seeds a context's generator when it is first used,
 * from --random-seed if that is set. The 31 bits of the flag are widened by skipping a random number
 * of values.
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

/** Where the generator cannot be reached. A new context costs a millisecond: made at the first use. */
function replaceRandom(): void {
  if (!ours || Math.random !== random) return;
  setValue(Math, 'random', function random() {
    const seeded = seededRandom();
    setValue(Math, 'random', seeded);
    return seeded();
  });
}

const { add } = PlainSet.prototype;
const steps = new Uint8Array(1);

/**
 * V8 seeds the Math.random of a new context, as those of node:vm, from a generator that the process
 * has one of. It also gives each object that is put into a Set its hash, which moves it on: by 128 steps on
 * average, as each costs the child's first statement half a microsecond. A seed takes eight.
 */
function moveSeedsOn(rehearsal?: boolean): void {
  if (rehearsal) return;
  native.fillRandom(steps);
  const set = new PlainSet();
  for (let i = steps[0] as number; i >= 0; i--) apply(add, set, [{}]);
}

/** In the child. `have` is for tests. */
export function refreshEntropy(have: Found = look(), rehearsal?: boolean): void {
  moveSeedsOn(rehearsal);
  if (rehearsal) return;
  if (!native.refreshEntropy(have.generator ? random : null, have.caches ? uuid : null)) {
    throw new Error('the system gave no random numbers');
  }
  if (!have.generator) replaceRandom();
  if (!have.caches) drawAll();
  redraw = true;
}

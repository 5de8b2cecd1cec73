// The addon, or what refuses its calls where it is missing.
import { absentNative, thinNative } from './absent.js';
import { loadBinary } from './binary.js';
import type { Native } from './functions.js';
import { noNode, noSystem } from './host.js';

export type { Forked, Waited, Watch } from './functions.js';

export const native = load();

function load(): Native {
  if (noSystem !== undefined) return absentNative(noSystem) as Native;
  if (noNode === undefined) {
    const whole = loadBinary() as Native;
    whole.rememberStandard();
    return whole;
  }
  try {
    return thinNative(loadBinary() as Native, noNode) as Native;
  } catch (error) {
    // As Deno's, without --allow-ffi. Whoever only names a function of ours is not to fail by it. The lines after
    // the first say how to build a binary for Node.
    return absentNative((error as Error).message.replace(/\n.*/s, '')) as Native;
  }
}

// The addon, or a substitute that refuses all calls where the addon is missing.
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
    // Deno without --allow-ffi, for example. A program that only names one of the functions must
    // not fail. Only the first line is kept: the others say how to build a binary for Node.
    return absentNative((error as Error).message.replace(/\n.*/s, '')) as Native;
  }
}

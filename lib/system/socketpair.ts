// Two connected sockets: socketpair(2).

import { native } from '../addon/native.js';
import { systemError } from '../base/errors.js';

/** Close-on-exec, of records or of bytes. */
export function socketpair(records: boolean): [number, number] {
  const [one = -1, other = -1] = native.socketpair(records);
  if (one < 0) throw systemError(one, 'socketpair');
  return [one, other];
}

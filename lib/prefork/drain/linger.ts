// Closes an HTTP/1.1 connection so that the client gets the whole last response.

import type { Socket } from 'node:net';
import { setTimeout } from '../../base/timers.js';

const LINGER_MS = 1000;

const lingering = new WeakSet<Socket>();

/**
 * Ends our side of a connection first, and keeps reading until the other side has seen that. After
 * a plain close(2) the kernel answers later data with RST, which discards the last response if the
 * client has not read it yet.
 *
 * Source: RFC 9112, section 9.6.
 */
export function lingerAtEnd(socket: Socket): void {
  if (lingering.has(socket)) return;
  lingering.add(socket);
  // Node calls this after a response with `Connection: close`.
  socket.destroySoon = () => {
    socket.removeAllListeners('data');
    // This call makes Node detach the HTTP parser from the descriptor.
    socket.on('data', () => {});
    socket.resume().end();
    socket.once('end', () => socket.destroy());
    const linger = () => setTimeout(() => socket.destroy(), LINGER_MS).unref();
    // Only after the kernel has all data: a slow client may need time.
    if (socket.writableFinished) linger();
    else socket.once('finish', linger);
  };
}

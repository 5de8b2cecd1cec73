// How a connection of HTTP/1.1 is closed such that the client gets all of the last answer.

import type { Socket } from 'node:net';
import { setTimeout } from '../../base/timers.js';

const LINGER_MS = 1000;

const lingering = new WeakSet<Socket>();

/**
 * Has a connection end with our side first, and go on reading until the other side has seen that. A
 * plain close(2) answers what comes later with RST, which takes the last response with it if the
 * client has not read it yet.
 *
 * Source: RFC 9112, section 9.6.
 */
export function lingerAtEnd(socket: Socket): void {
  if (lingering.has(socket)) return;
  lingering.add(socket);
  // What Node calls after a response that says `Connection: close`.
  socket.destroySoon = () => {
    socket.removeAllListeners('data');
    // By this very call Node takes the HTTP parser off the descriptor.
    socket.on('data', () => {});
    socket.resume().end();
    socket.once('end', () => socket.destroy());
    const linger = () => setTimeout(() => socket.destroy(), LINGER_MS).unref();
    // Not before all is with the kernel: a slow client may take its time.
    if (socket.writableFinished) linger();
    else socket.once('finish', linger);
  };
}

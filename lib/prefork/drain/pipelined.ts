// Whether a client has sent more than the request that is at hand.
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

interface Parser {
  getCurrentBuffer?(): Buffer | undefined;
}

/** How far the requests of a connection go that were looked at: in all that was read, by that time. */
interface Place {
  read: number;
  end: number;
}

const places = new WeakMap<Socket, Place>();
const END_OF_HEAD = '\r\n\r\n';

/**
 * Whether something follows a request in the bytes that Node is just parsing. The program may answer at
 * once, before Node comes to the rest. What is not known does not follow: then the client is told that
 * the connection ends, and asks again for what was not answered (RFC 9112, section 9.3.2).
 */
export function bytesFollow(socket: Socket, request: IncomingMessage): boolean {
  const { parser } = socket as { parser?: Parser | null };
  const bytes = parser?.getCurrentBuffer?.();
  if (bytes === undefined || request.headers['transfer-encoding'] !== undefined) return false;
  const read = socket.bytesRead;
  const place = places.get(socket);
  const before = place?.read === read ? place.end : 0;
  // Its first line, if that did not come with the bytes before.
  const line = bytes.indexOf(`${request.method} ${request.url} HTTP/`, before, 'latin1');
  const head = bytes.indexOf(END_OF_HEAD, Math.max(line, before), 'latin1');
  if (head < 0) return false;
  const end = head + END_OF_HEAD.length + Number(request.headers['content-length'] ?? 0);
  places.set(socket, { read, end });
  return bytes.length > end;
}

// Whether a client has sent more than the current request.
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

interface Parser {
  getCurrentBuffer?(): Buffer | undefined;
}

/**
 * How far the examined requests of a connection reach: the offset in all data that was read until
 * then.
 */
interface Place {
  read: number;
  end: number;
}

const places = new WeakMap<Socket, Place>();
const END_OF_HEAD = '\r\n\r\n';

/**
 * Whether something follows a request in the bytes that Node is parsing. The program may respond at
 * once, before Node parses the rest. If this is unknown, the result is false: the response then
 * announces the end of the connection, and the client repeats unanswered requests (RFC 9112,
 * section 9.3.2).
 */
export function bytesFollow(socket: Socket, request: IncomingMessage): boolean {
  const { parser } = socket as { parser?: Parser | null };
  const bytes = parser?.getCurrentBuffer?.();
  if (bytes === undefined || request.headers['transfer-encoding'] !== undefined) return false;
  const read = socket.bytesRead;
  const place = places.get(socket);
  const before = place?.read === read ? place.end : 0;
  // The request's first line, if it did not come with earlier bytes.
  const line = bytes.indexOf(`${request.method} ${request.url} HTTP/`, before, 'latin1');
  const head = bytes.indexOf(END_OF_HEAD, Math.max(line, before), 'latin1');
  if (head < 0) return false;
  const end = head + END_OF_HEAD.length + Number(request.headers['content-length'] ?? 0);
  places.set(socket, { read, end });
  return bytes.length > end;
}

// The other ends of what a stressed parent holds: a server that sends numbered messages to a thread
// of its addon, and a debugger that asks questions. Each counts what it sent and what came back.
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';

export interface Conversation {
  sent: number;
  answered: number;
  /** Answers that were doubled, out of order or wrong. */
  wrong: number;
}

const none = (): Conversation => ({ sent: 0, answered: 0, wrong: 0 });

/** Sends numbers, a few at a time, each of which the other side sends back. */
export class Wire {
  readonly count = none();
  readonly #server = createServer({ noDelay: true }, (socket) => this.#talk(socket));
  #socket: Socket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #next = 0n;
  #expected = 0n;

  /** The port that it listens on. */
  async open(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  #talk(socket: Socket) {
    this.#socket = socket;
    this.#next = this.#expected = 0n;
    let held: Buffer = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', (data) => {
      held = Buffer.concat([held, data]);
      for (; held.length >= 8; held = held.subarray(8)) this.#take(held.readBigUInt64LE());
    });
    this.#timer = setInterval(() => {
      if (this.#next - this.#expected > 1000n) return; // no reader
      for (let i = 0; i < 3; i++) this.#send(this.#next++);
      this.count.sent += 3;
    }, 2);
  }

  #send(number: bigint) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(number);
    this.#socket?.write(bytes);
  }

  #take(number: bigint) {
    if (number === 2n ** 64n - 1n) return;
    if (number === this.#expected) this.count.answered++;
    else this.count.wrong++;
    this.#expected = number + 1n;
  }

  /** The last message. */
  finish() {
    clearInterval(this.#timer);
    this.#send(2n ** 64n - 1n);
  }

  close() {
    clearInterval(this.#timer);
    this.#socket?.destroy();
    this.#server.close();
  }
}

/** A frame of RFC 6455 as a client sends it: masked, here by zeros. */
function frame(text: string): Buffer {
  const body = Buffer.from(text);
  return Buffer.concat([Buffer.from([0x81, 0x80 | body.length, 0, 0, 0, 0]), body]);
}

interface Frame {
  /** The server says that it ends the connection. */
  closes: boolean;
  text: string;
}

/** The whole frames at the start of `held`, and what is left. A server's have no mask. */
function frames(held: Buffer): [Frame[], Buffer] {
  const found: Frame[] = [];
  for (let rest = held; ; ) {
    const short = (rest[1] ?? 0) & 0x7f;
    const start = short === 126 ? 4 : 2;
    const length = short === 126 && rest.length >= 4 ? rest.readUInt16BE(2) : short;
    if (rest.length < 2 || rest.length < start + length) return [found, rest];
    const text = rest.subarray(start, start + length).toString();
    found.push({ closes: ((rest[0] ?? 0) & 0x0f) === 8, text });
    rest = rest.subarray(start + length);
  }
}

/** Another process that writes in between leaves what is no answer: one of no number. */
function answer(text: string): { id?: number; value?: number } {
  try {
    const { id, result } = JSON.parse(text);
    return { id, value: result?.result?.value };
  } catch {
    return { id: -1 };
  }
}

/** A client of the inspector without a library: Node 20 has no WebSocket. One question at a time. */
export class Debugger {
  readonly count = none();
  #socket: Socket | undefined;
  #finishing = false;

  async connect(url: string) {
    this.#finishing = false;
    const headers = {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Key': Buffer.alloc(16, 'daemonkit').toString('base64'),
      'Sec-WebSocket-Version': '13',
    };
    const request = get(url.replace(/^ws/, 'http'), { headers });
    request.on('error', () => {});
    const [, socket] = (await once(request, 'upgrade')) as [IncomingMessage, Socket];
    this.#socket = socket;
    let held: Buffer = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', (data) => {
      const [found, rest] = frames(Buffer.concat([held, data]));
      held = rest;
      for (const one of found) this.#take(one);
    });
    this.#ask();
  }

  #ask() {
    if (this.#finishing) return;
    const id = ++this.count.sent;
    const params = { expression: `${id} * 2`, returnByValue: true };
    this.#socket?.write(frame(JSON.stringify({ id, method: 'Runtime.evaluate', params })));
  }

  #take({ closes, text }: Frame) {
    // The parent closes its inspector at the end, and may be faster than our hanging up.
    if (closes && this.#finishing) return;
    const { id, value } = answer(text);
    if (id === undefined) return; // an event
    if (id === this.count.sent && value === id * 2) this.count.answered++;
    else this.count.wrong++;
    if (this.#finishing) this.#socket?.end();
    else setTimeout(() => this.#ask(), 10);
  }

  /** Hangs up after the answer that is outstanding. */
  finish() {
    this.#finishing = true;
    if (this.count.answered + this.count.wrong === this.count.sent) this.#socket?.end();
  }

  close() {
    this.#socket?.destroy();
  }
}

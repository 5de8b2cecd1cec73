// The stress run's debugger counts what is wrong, and nothing else.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { until } from './tools/daemons.js';
import { Debugger } from './tools/stress-peers.js';

const CLOSES = Buffer.from([0x88, 0]);
const ANSWER = Buffer.from(JSON.stringify({ id: 1, result: { result: { value: 2 } } }));
const ANSWERS = Buffer.concat([Buffer.from([0x81, ANSWER.length]), ANSWER]);

/** A debugger that has asked its first question, and the end that is to answer. */
async function asked(t: TestContext): Promise<[Debugger, Socket]> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const asks = new Debugger();
  t.after(() => {
    asks.close();
    server.close();
  });
  const ready = asks.connect(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  const [socket] = (await once(server, 'connection')) as [Socket];
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'data');
  socket.write('HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  await ready;
  await once(socket, 'data');
  return [asks, socket];
}

test('an inspector that closes before the debugger has hung up has answered all', async (t) => {
  const [asks, socket] = await asked(t);
  asks.finish();
  socket.write(Buffer.concat([ANSWERS, CLOSES]));
  await once(socket, 'end');
  assert.deepEqual(asks.count, { sent: 1, answered: 1, wrong: 0 });
});

test('one that closes amid the questions is wrong', async (t) => {
  const [asks, socket] = await asked(t);
  socket.write(CLOSES);
  await until('it is counted', () => asks.count.wrong === 1);
});

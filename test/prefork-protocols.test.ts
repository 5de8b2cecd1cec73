// Reloads under load, over every protocol that Node's servers speak, with Node's own clients of each: no
// request fails.
import assert from 'node:assert/strict';
import * as http from 'node:http';
import * as http2 from 'node:http2';
import * as https from 'node:https';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cert, key } from './tools/certificate.js';
import { until } from './tools/daemons.js';
import { often } from './tools/full.js';
import { Grouped } from './tools/grouped.js';

const WORKERS = 2;

const source = `
  import * as http from 'node:http';
  import * as http2 from 'node:http2';
  import * as https from 'node:https';
  const tls = JSON.parse(process.argv[1]);
  let generation = 0;
  const answer = async (request, response) => {
    let size = 0;
    for await (const chunk of request) size += chunk.length;
    await pause(Math.random() * 4);
    response.end(generation + ' ' + size);
  };
  const servers = {
    http: http.createServer(answer),
    https: https.createServer(tls, answer),
    h2c: http2.createServer(answer),
    h2: http2.createSecureServer({ ...tls, allowHTTP1: true }, answer),
  };
  const sockets = {};
  for (const name in servers) sockets[name] = daemonkit.listeningSocket({ port: 0, host: '127.0.0.1' });
  const master = prefork({
    workers: ${WORKERS},
    // What a client may be kept waiting by a crowded machine, also for its answer to a PING.
    idleTimeout: 60_000,
    stopTimeout: 120_000,
    async onWorkerStart(worker) {
      generation = worker.generation;
      for (const name in servers) await worker.serve(servers[name], sockets[name]);
    },
    onMasterReap: (exit) => say('exit', exit.exitCode, exit.signal, exit.asked, exit.lived),
    onMasterError: ({ message }) => say('error', message),
  });
  await master.ready;
  say('ready', Object.fromEntries(Object.keys(sockets).map((name) => [name, native.localPort(sockets[name])])));
  await master.finished;
  process.exit(0);`;

/** Lets go of what the clients keep open. */
const goodbyes: (() => unknown)[] = [
  // Node's fetch() has its connections there.
  () => {
    const key = Symbol.for('undici.globalDispatcher.1') as never;
    (globalThis[key] as { close(): unknown } | undefined)?.close();
  },
];

/** Asks again and again, and notes from which generations the answers were, and every failure. */
class Load {
  readonly generations = new Set<string>();
  readonly failures: string[] = [];
  answers = 0;
  running = true;
  readonly #loops: Promise<void>[] = [];

  begin(ask: () => Promise<string>): void {
    this.#loops.push(this.#loop(ask));
  }

  async #loop(ask: () => Promise<string>): Promise<void> {
    while (this.running) {
      try {
        const [, generation, size] = /^(\d+) (\d+)$/.exec(await ask()) ?? [];
        if (generation === undefined) throw new Error('a wrong answer');
        this.generations.add(generation);
        if (Number(size) % 1000 !== 0) throw new Error(`${size} bytes came`);
        this.answers++;
      } catch (error) {
        this.failures.push(`${(error as NodeJS.ErrnoException).code} ${error}`);
      }
    }
  }

  async end(): Promise<void> {
    this.running = false;
    await Promise.all(this.#loops);
  }
}

function byAgent(
  module: typeof http | typeof https,
  port: number,
  upload: boolean,
): () => Promise<string> {
  const agent = new module.Agent({
    keepAlive: true,
    maxSockets: 1,
    rejectUnauthorized: false,
  } as object);
  goodbyes.push(() => agent.destroy());
  return () =>
    new Promise((resolve, reject) => {
      const options = { port, host: '127.0.0.1', agent, method: upload ? 'POST' : 'GET' };
      const request = module.request(options, async (response) => {
        let text = '';
        response.setEncoding('utf8').on('error', reject);
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => resolve(text));
      });
      request.on('error', reject);
      void (async () => {
        // In pieces, with time between them.
        for (let i = 0; upload && i < 5; i++) {
          request.write('x'.repeat(1000));
          await sleep(3);
        }
        request.end();
      })();
    });
}

/**
 * Several streams at a time over one session, which is another one when the server says so. A stream that crosses that
 * word on a crowded machine is refused, has not been processed, and is sent again (RFC 9113, section 8.7; docs/prefork.md).
 */
function bySession(url: string): () => Promise<string> {
  let session: http2.ClientHttp2Session | undefined;
  goodbyes.push(() => session?.close());
  const ask = () =>
    new Promise<string>((resolve, reject) => {
      if (session === undefined || session.closed || session.destroyed) {
        session = http2.connect(url, { rejectUnauthorized: false }).on('error', reject);
      }
      const asked = session;
      const stream = asked.request({ ':path': '/' }).setEncoding('utf8');
      let text = '';
      stream.on('data', (chunk) => {
        text += chunk;
      });
      stream.on('error', (error) => {
        const refused = stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM;
        if (refused && text === '' && asked.closed) resolve(ask());
        else reject(error);
      });
      stream.on('end', () => resolve(text));
    });
  return ask;
}

async function byFetch(port: number): Promise<string> {
  return (await fetch(`http://127.0.0.1:${port}/`)).text();
}

async function reloads(t: TestContext, count: number): Promise<void> {
  const group = new Grouped(t, source, { args: [JSON.stringify({ key, cert })] });
  const [ports] = (await group.hears('ready')) as [Record<string, number>];
  const port = (name: string) => ports[name] as number;
  const loads: Record<string, Load> = {};
  const begin = (name: string, ask: () => Promise<string>, clients: number) => {
    const load = loads[name] ?? new Load();
    loads[name] = load;
    for (let i = 0; i < clients; i++) load.begin(ask);
  };
  for (let i = 0; i < 3; i++) {
    begin('http', byAgent(http, port('http'), false), 1);
    begin('https', byAgent(https, port('https'), false), 1);
    begin('http upload', byAgent(http, port('http'), true), 1);
    begin('https upload', byAgent(https, port('https'), true), 1);
    begin('http/1.1 beside h2', byAgent(https, port('h2'), false), 1);
    begin('h2c', bySession(`http://127.0.0.1:${port('h2c')}`), 3);
    begin('h2', bySession(`https://127.0.0.1:${port('h2')}`), 3);
  }
  begin('fetch', () => byFetch(port('http')), 3);
  const exits = () => group.words('exit').length;
  for (let done = 1; done <= count; done++) {
    process.kill(group.pid, 'SIGHUP');
    await until(`reload ${done} ${group.stderr}`, () => exits() === WORKERS * done);
    const fresh = () => Object.values(loads).every((load) => load.generations.has(`${done}`));
    await until('answers of the new ones to all', fresh);
  }
  for (const load of Object.values(loads)) await load.end();
  for (const [name, load] of Object.entries(loads)) {
    assert.deepEqual([name, load.failures], [name, []]);
    assert.ok(load.answers > 10, name);
  }
  assert.deepEqual(group.words('error'), []);
  for (const [exitCode, signal, asked] of group.words('exit')) {
    assert.deepEqual([exitCode, signal, asked], [0, null, true]);
  }
  for (const goodbye of goodbyes) goodbye();
  process.kill(group.pid, 'SIGTERM');
  await group.endsWell();
}

test('no request fails over reloads: HTTP/1.1, HTTP/2, TLS, uploads, fetch', (t) =>
  reloads(t, often(4, 2)));

// Connections that the master has when it forks: it warns of them, and workers leave those of the pools.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { cert, key } from './tools/certificate.js';
import { Grouped } from './tools/grouped.js';
import { scratch } from './tools/scratch.js';

async function listening(t: TestContext, server: Server, path?: string): Promise<number> {
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => sockets.add(socket));
  server.listen(path === undefined ? { port: 0, host: '127.0.0.1' } : { path });
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  await once(server, 'listening');
  return path === undefined ? (server.address() as AddressInfo).port : 0;
}

test('fetch() and the global agents in the master: workers get their own answers, the master keeps its connections', async (t) => {
  const answer: RequestListener = (request, response) => {
    const time = /slow/.test(request.url ?? '') ? 1500 : 10;
    setTimeout(() => response.end(request.url ?? ''), time);
  };
  const http = createHttpServer({ keepAliveTimeout: 60_000 }, answer);
  const https = createHttpsServer({ key, cert, keepAliveTimeout: 60_000 }, answer);
  const ports = [await listening(t, http), await listening(t, https)];
  let connections = 0;
  for (const [server, event] of [
    [http, 'connection'],
    [https, 'secureConnection'],
  ] as const) {
    server.on(event, () => connections++);
  }
  const group = new Grouped(
    t,
    `import * as http from 'node:http';
    import * as https from 'node:https';
    const [plain, secure] = process.argv.slice(1);
    process.on('warning', ({ code, message }) => say('warning', process.pid, code, message));
    const agent = { http: new http.Agent({ keepAlive: true }), https: new https.Agent({ keepAlive: true }) };
    const ask = (module, port, path) => new Promise((resolve, reject) => {
      const options = { port, host: '127.0.0.1', path, rejectUnauthorized: false };
      module.globalAgent.keepAlive = true;
      module.get(options, async (response) => {
        let text = '';
        for await (const chunk of response) text += chunk;
        resolve(text);
      }).on('error', reject);
    });
    const byFetch = async (path) => (await fetch('http://127.0.0.1:' + plain + path)).text();
    const all = async (who) => [await byFetch(who), await ask(http, plain, who), await ask(https, secure, who)];
    say('before', await all('/before'));
    // Under way while the workers are forked: the master's alone.
    const slow = [byFetch('/slow/fetch'), ask(http, plain, '/slow/http'), ask(https, secure, '/slow/https')];
    await pause(100);
    say('idle', await all('/idle'));
    const master = prefork({
      workers: 3,
      async onWorkerStart({ id }) {
        for (let i = 0; i < 10; i++) {
          const path = '/' + id + '/' + i;
          const got = await all(path);
          if (got.some((text) => text !== path)) say('wrong', path, got);
        }
        say('worker', id);
      },
      onMasterReap: (exit) => say('exit', exit),
    });
    await master.ready;
    say('ready');
    say('slow', await Promise.all(slow));
    process.once('SIGURG', async () => {
      say('after', await all('/after'));
      await master.stop();
      process.exit(0);
    });
    say('waits');`,
    { args: ports.map(String) },
  );
  await group.hears('waits');
  const before = connections;
  process.kill(group.pid, 'SIGURG');
  await group.endsWell();
  assert.deepEqual(group.words('wrong'), []);
  assert.equal(group.words('worker').length, 3);
  assert.deepEqual(group.words('slow'), [[['/slow/fetch', '/slow/http', '/slow/https']]]);
  assert.deepEqual(group.words('after'), [[['/after', '/after', '/after']]]);
  assert.equal(connections, before, 'the master goes on with the connections that it had');
  const warnings = group.words('warning').filter(([, code]) => code === 'DAEMONKIT_OPEN_SOCKETS');
  assert.equal(warnings.length, 1, `${group.stderr}`);
  const [pid, , message] = warnings[0] as [number, string, string];
  assert.equal(pid, group.pid);
  for (const port of ports) assert.match(message, new RegExp(`127\\.0\\.0\\.1:${port}\\b`));
});

test('connections half made when the first worker is due: the master makes them, and nobody else', async (t) => {
  const asked: string[] = [];
  const answer: RequestListener = (request, response) => {
    asked.push(request.url ?? '');
    response.end(request.url ?? '');
  };
  const http = createHttpServer(answer);
  const https = createHttpsServer({ key, cert }, answer);
  const ports = [await listening(t, http), await listening(t, https)];
  const group = new Grouped(
    t,
    `const [plain, secure] = process.argv.slice(1);
    const get = async (url) => (await fetch(url)).text();
    const master = prefork({ workers: 2, onWorkerStart() {} });
    const both = [get('http://127.0.0.1:' + plain + '/plain'), get('https://127.0.0.1:' + secure + '/secure')];
    say(await Promise.all(both));
    await master.ready;
    await master.stop();
    process.exit(0);`,
    { args: ports.map(String), env: { NODE_TLS_REJECT_UNAUTHORIZED: '0' } },
  );
  await group.endsWell();
  assert.deepEqual(group.said, [[['/plain', '/secure']]]);
  assert.deepEqual(asked.toSorted(), ['/plain', '/secure']);
});

test('the warning names each address once; without connections there is none', async (t) => {
  const path = join(scratch(t), 's');
  const [port] = [
    await listening(
      t,
      createServer(() => {}),
    ),
    await listening(
      t,
      createServer(() => {}),
      path,
    ),
  ];
  const group = new Grouped(
    t,
    `import { connect } from 'node:net';
    import { once } from 'node:events';
    import { spawn } from 'node:child_process';
    const [port, path] = process.argv.slice(1);
    process.on('warning', ({ message }) => say('warning', message));
    const cat = spawn('cat', { stdio: ['pipe', 'pipe', 'inherit'] });
    const one = async () => {
      const master = prefork({ workers: 1, onWorkerStart() {} });
      await master.ready;
      await master.reload();
      await master.stop();
      say('done');
    };
    await one();
    for (const to of [[port, '127.0.0.1'], [port, '127.0.0.1'], [path]]) await once(connect(...to), 'connect');
    await one();
    cat.kill();
    await once(cat, 'exit');
    process.exit(0);`,
    { args: [`${port}`, path] },
  );
  await group.endsWell();
  const expected = `prefork(): workers get copies of connections to 127.0.0.1:${port}, ${path}`;
  assert.deepEqual(group.said, [['done'], ['warning', expected], ['done']]);
});

// fork() with live servers, connections, watchers and children in the process.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { reports, succeeds } from './tools/run.js';

async function ask(port: number, path: string, agent: Agent | false): Promise<string> {
  const request = get({ host: '127.0.0.1', port, path, agent, timeout: 10_000 });
  request.on('timeout', () => request.destroy(new Error(`no answer to ${path}`)));
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return text(response);
}

/** The first line that a fixture prints, as numbers. */
async function firstLine({ stdout }: ChildProcess): Promise<number[]> {
  assert.ok(stdout);
  const [line] = await once(stdout, 'data');
  return `${line}`.trim().split(' ').map(Number);
}

test('a server full of live connections answers all of them while it forks', async () => {
  const connections = 20;
  const output = await succeeds('alive.js', ['busyServer'], {
    async meanwhile(server) {
      const [port = 0] = await firstLine(server);
      const agent = new Agent({ keepAlive: true, maxSockets: connections });
      const client = async (id: number) => {
        for (let i = 0; i < 25; i++) {
          const path = i === 10 ? '/fork' : `/${id}/${i}`;
          assert.equal(await ask(port, path, agent), `first half of ${path}, second half`);
        }
      };
      await Promise.all(Array.from({ length: connections }, (_, id) => client(id)));
      await ask(port, '/end', agent);
      agent.destroy();
    },
  });
  assert.match(output, /20 children/);
});

test('a child serves on the listening socket that its parent opened and closed', async () => {
  await succeeds('alive.js', ['inheritedServer'], {
    async meanwhile(server) {
      const [port = 0, pid] = await firstLine(server);
      for (let i = 0; i < 20; i++) assert.equal(Number(await ask(port, '/', false)), pid);
      await ask(port, '/end', false);
    },
  });
});

test('a file watcher works in parent and child, each for itself', async () => {
  assert.equal(await reports('alive.js', ['watchers']), 0);
});

test('ChildProcess objects fire in the parent only and do not hold the child', async () => {
  assert.equal(await reports('alive.js', ['childProcesses']), 2);
});

test('the pipes of a ChildProcess stay in use by the parent', async () => {
  assert.equal(await succeeds('alive.js', ['childWithPipes']), 'done\n');
});

// An in-memory store that saves itself to disk while it continues to serve, as Redis does: a child has
// the memory of one moment, and as much time as it needs. A child that fails leaves the last file as it was.
//
//   npm run build:ts && node dist/examples/snapshot-store.js     PORT=3000 FILE=store.jsonl ACCOUNTS=100000 node ...
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { runInFork } from 'daemonkit';

const { FILE = 'store.jsonl', PORT = '8080', ACCOUNTS = '1000', NOTE = '100' } = process.env;
const START = 1000;

interface Account {
  balance: number;
  moves: number;
  note: string;
}

const accounts = new Map<string, Account>();

function load(): void {
  try {
    for (const line of readFileSync(FILE, 'utf8').split('\n').filter(Boolean)) {
      const [name, account] = JSON.parse(line) as [string, Account];
      accounts.set(name, account);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    for (let i = 0; i < Number(ACCOUNTS); i++) {
      // Not repeat() alone, which V8 would keep as a promise of a string.
      const note = Buffer.alloc(Number(NOTE), `${i} `).toString('latin1');
      accounts.set(`account-${i}`, { balance: START, moves: 0, note });
    }
  }
}

/** The file is the old one or the new one, whenever the machine stops. */
function sync(path: string): void {
  const file = openSync(path, 'r');
  fsyncSync(file);
  closeSync(file);
}

const TEMPORARY = `${FILE}.new`;

/** Runs in the child. @returns bytes */
function write(): number {
  const file = openSync(TEMPORARY, 'w');
  let bytes = 0;
  let lines = '';
  const flush = () => {
    bytes += writeSync(file, lines);
    lines = '';
  };
  for (const entry of accounts) {
    lines += `${JSON.stringify(entry)}\n`;
    if (lines.length > 2 ** 20) flush();
  }
  flush();
  closeSync(file);
  sync(TEMPORARY);
  renameSync(TEMPORARY, FILE);
  sync(dirname(FILE));
  return bytes;
}

let saving: Promise<number> | undefined;

/** One at a time: calls in between get the same result. */
function save(): Promise<number> {
  saving ??= runInFork(write, { nice: 10 })
    .catch((error) => {
      rmSync(TEMPORARY, { force: true });
      throw error;
    })
    .finally(() => {
      saving = undefined;
    });
  return saving;
}

/** Two accounts change in one turn of the event loop: no snapshot comes between. */
function move(from: string, to: string): boolean {
  const [payer, payee] = [accounts.get(from), accounts.get(to)];
  if (payer === undefined || payee === undefined) return false;
  payer.balance--;
  payer.moves++;
  payee.balance++;
  payee.moves++;
  return true;
}

load();
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();

const server = createServer(async (request, response) => {
  const [, what = '', from = '', to = ''] = (request.url ?? '').split('/');
  const answer = (status: number, body: unknown) =>
    response.writeHead(status).end(`${JSON.stringify(body)}\n`);
  if (what === 'move') return answer(move(from, to) ? 200 : 404, {});
  if (what === 'get') return answer(200, accounts.get(from) ?? null);
  if (what === 'pause') {
    const longest = delay.max / 1e6;
    delay.reset();
    return answer(200, { milliseconds: longest, heap: process.memoryUsage().rss });
  }
  if (what !== 'save') return answer(404, {});
  const began = performance.now();
  try {
    return answer(200, { bytes: await save(), milliseconds: performance.now() - began });
  } catch (error) {
    return answer(500, { error: `${error}` });
  }
});

server.listen(Number(PORT), '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  console.log(`Move:  curl http://127.0.0.1:${port}/move/account-0/account-1
Get:   curl http://127.0.0.1:${port}/get/account-0
Save:  curl http://127.0.0.1:${port}/save
Pause: curl http://127.0.0.1:${port}/pause
Stop:  kill ${process.pid}`);
});

process.once('SIGTERM', async () => {
  server.close();
  server.closeIdleConnections();
  await save();
});

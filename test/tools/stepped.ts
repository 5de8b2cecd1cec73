// A preforked server whose master takes one step at a time, on request.
import type { TestContext } from 'node:test';
import { Grouped } from './grouped.js';
import { descriptors } from './proc.js';

/** Ahead of the steps: what they may use. Each waits for `next()`, and ends with what it says. */
const program = `
import { createServer } from 'node:http';
let told = 0, taken = 0;
process.on('SIGPWR', () => told++);
const next = async () => { await until(() => told > taken); taken++; };
const code = (promise) => promise.then(() => 'well', (error) => error.code ?? error.message);
let generation;
const server = createServer(async (_, response) => {
  await pause(2);
  response.end(JSON.stringify({ pid: process.pid, generation }));
});
const start = (options) => prefork({
  listen: { port: 0, host: '127.0.0.1' },
  server,
  // Longer than any client may be kept waiting by the load of the machine.
  idleTimeout: 120_000,
  stopTimeout: 240_000,
  onMasterReap: ({ id, exitCode, signal, reason, asked }) =>
    say('exit', id, signal ?? exitCode, reason, asked),
  onMasterError: ({ message }) => say('error', message),
  ...options,
  async onWorkerStart(worker) {
    generation = worker.generation;
    await options.onWorkerStart?.(worker);
  },
});
`;

export class Stepped extends Grouped {
  #steps = 0;

  constructor(t: TestContext, source: string) {
    super(t, program + source);
  }

  get port(): number {
    return this.words('port')[0]?.[0] as number;
  }

  /** Has the master take its next step; gives what it says with the word `step` at its end. */
  async step(): Promise<unknown[]> {
    process.kill(this.pid, 'SIGPWR');
    return this.hears('step', ++this.#steps);
  }

  /** How many descriptors the master has. */
  get descriptors(): number {
    return Object.keys(descriptors(this.pid)).length;
  }
}

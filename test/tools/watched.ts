// Starts test/fixtures/watched.ts: a preforked server that reports the state of its workers.
import { get } from 'node:http';
import type { TestContext } from 'node:test';
import type {
  HungWorker,
  PreforkMasterMessage,
  PreforkStats,
  PreforkWorkerMessage,
  WorkerStats,
} from 'daemonkit';
import type { WatchedSetup } from '../fixtures/watched.js';
import { until } from './daemons.js';
import { Preforked } from './preforked.js';

interface Line {
  event: string;
  stats: PreforkStats;
  worker: HungWorker;
  message: PreforkWorkerMessage & PreforkMasterMessage;
}

export class Watched extends Preforked {
  static async start(t: TestContext, options: WatchedSetup['options'] = {}): Promise<Watched> {
    const server = new Watched(t, { options: { workers: 2, ...options } }, [], 'watched.js');
    await server.hears('ready');
    return server;
  }

  #lines(event: string): Line[] {
    return this.events(event) as unknown as Line[];
  }

  /** What the channels have said of workers. */
  happened(event: PreforkWorkerMessage['event']): PreforkWorkerMessage[] {
    const all = this.#lines('worker').map(({ message }) => message);
    return all.filter((message) => message.event === event);
  }

  masters(): PreforkMasterMessage[] {
    return this.#lines('master').map(({ message }) => message);
  }

  hangs(): HungWorker[] {
    return this.#lines('hang').map(({ worker }) => worker);
  }

  /** The latest stats. */
  get stats(): PreforkStats | undefined {
    return this.#lines('stats').at(-1)?.stats;
  }

  /** Waits for stats that meet the condition, from now on. */
  async sees(what: string, fits: (workers: WorkerStats[]) => unknown): Promise<PreforkStats> {
    const before = this.events('stats').length;
    const look = () => {
      const stats = this.#lines('stats').slice(before);
      return stats.find((one) => fits(one.stats.workers))?.stats;
    };
    try {
      return await until(what, look, 60_000);
    } catch (error) {
      throw new Error(`${what}: ${JSON.stringify(this.stats)} ${this.stderr}`, { cause: error });
    }
  }

  /** The pid of the worker that answers, each time over a new connection. */
  knock(path: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const request = get({
        port: this.port,
        host: '127.0.0.1',
        path,
        agent: false,
        timeout: 60_000,
      });
      request.on('error', reject).on('timeout', () => request.destroy(new Error('late')));
      request.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => resolve(Number(text))).on('error', reject);
      });
    });
  }
}

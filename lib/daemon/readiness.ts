// When a daemon that does not say so itself is ready: as late as it takes to know that what comes after
// becomeDaemon() works, such as a server that listens.

import { realpathSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { native } from '../addon/native.js';
import { sleep, turn } from '../base/timers.js';
import { inStep } from './in-step.js';
import type { Plan } from './options.js';

/** What a daemon is told with, or that it cannot be. */
export interface Announcer {
  ready(): void;
  fail(error: unknown): never;
}

/** How long name look-ups may hold readiness up, as listen() waits for one: for `localhost`, too. */
const LOOKUPS_MS = 1000;
const LOOKUP_POLL_MS = 5;

const lookups = () => process.getActiveResourcesInfo().includes('GetAddrInfoReqWrap');

async function lookupsEnded(): Promise<void> {
  for (let waited = 0; lookups() && waited < LOOKUPS_MS; waited += LOOKUP_POLL_MS) {
    await sleep(LOOKUP_POLL_MS);
  }
}

/** The URL of the main module, as Node makes it of its argument. */
function mainUrl(): string | undefined {
  const [, main] = process.argv;
  if (main === undefined) return undefined;
  try {
    return pathToFileURL(realpathSync(main)).href;
  } catch {
    return undefined; // without its extension, or gone: `node app`, which is no ES module
  }
}

/** The names of the scripts in the stack; unlike Error.stack they are not those of a source map. */
function scriptsInStack(): string[] {
  const { prepareStackTrace, stackTraceLimit } = Error;
  try {
    Error.stackTraceLimit = Number.POSITIVE_INFINITY;
    Error.prepareStackTrace = (_error, sites) => sites.map((site) => site.getFileName() ?? '');
    return new Error('').stack as unknown as string[];
  } finally {
    Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  }
}

/**
 * Resolves when the main module has been evaluated, with its top-level awaits, if it is an ES module
 * and is on its way to the caller; at once otherwise. A CommonJS module has been when the event
 * loop turns. To be called before the root directory changes, as import() looks at the file.
 */
export function mainEvaluated(): Promise<unknown> {
  const main = mainUrl();
  const running = main !== undefined && scriptsInStack().includes(main);
  // The module that is there, as each is only once. If it fails, its error is uncaught, and seen.
  return running ? import(main).catch(() => {}) : Promise.resolve();
}

/**
 * Has the daemon be ready when what the script does after becomeDaemon() has had its turn of the event
 * loop, unless there was an uncaught error: the one of a port in use comes then. A script that ends
 * with code 0 before has done its work.
 *
 * @param evaluated - what to wait for besides.
 */
export function readyWhenSettled(daemon: Announcer, evaluated: Promise<unknown>): void {
  const pid = native.getpid();
  let failure: { error: unknown } | undefined;
  const onError = (error: unknown) => {
    failure ??= { error };
  };
  const onExit = (code: number) => {
    if (code === 0 && failure === undefined) daemon.ready();
  };
  process.on('uncaughtExceptionMonitor', onError);
  process.prependListener('exit', onExit);
  const settle = async () => {
    await evaluated;
    // What is done in the first turn is told in the second one.
    await turn();
    await lookupsEnded();
    await turn();
    process.off('uncaughtExceptionMonitor', onError);
    process.off('exit', onExit);
    // A fork of the daemon, made meanwhile, is as far.
    if (native.getpid() !== pid) return;
    try {
      if (failure === undefined) inStep('ready', () => daemon.ready());
    } catch (error) {
      failure = { error };
    }
    // A listener of the script's has kept the process alive.
    if (failure !== undefined) daemon.fail(failure.error);
  };
  void settle();
}

/** Resolves at once, unless the plan has the daemon wait for its main module. */
export function evaluationFor({ ready }: Plan): Promise<unknown> {
  return ready === 'evaluated' ? mainEvaluated() : Promise.resolve();
}

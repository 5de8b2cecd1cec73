// Decides when a daemon is ready that does not call ready(): late enough to know that the code
// after becomeDaemon() works, such as a server that listens.

import { realpathSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { native } from '../addon/native.js';
import { sleep, turn } from '../base/timers.js';
import { inStep } from './in-step.js';
import type { Plan } from './options.js';

/** The calls that report readiness or failure. */
export interface Announcer {
  ready(): void;
  fail(error: unknown): never;
}

/** How long name look-ups may delay readiness. listen() waits for one, even for `localhost`. */
const LOOKUPS_MS = 1000;
const LOOKUP_POLL_MS = 5;

const lookups = () => process.getActiveResourcesInfo().includes('GetAddrInfoReqWrap');

async function lookupsEnded(): Promise<void> {
  for (let waited = 0; lookups() && waited < LOOKUPS_MS; waited += LOOKUP_POLL_MS) {
    await sleep(LOOKUP_POLL_MS);
  }
}

/** The URL of the main module, as Node derives it from its argument. */
function mainUrl(): string | undefined {
  const [, main] = process.argv;
  if (main === undefined) return undefined;
  try {
    return pathToFileURL(realpathSync(main)).href;
  } catch {
    return undefined; // given without extension (`node app`, which is not an ES module), or removed
  }
}

/** The names of the scripts on the stack. Error.stack would show those of a source map. */
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
 * Resolves when the main module has been evaluated, with its top-level awaits, if it is an ES
 * module and is on the stack of the caller; otherwise at once. A CommonJS module is evaluated
 * before the event loop turns. Call it before the root directory changes, because import() looks at
 * the file.
 */
export function mainEvaluated(): Promise<unknown> {
  const main = mainUrl();
  const running = main !== undefined && scriptsInStack().includes(main);
  // import() returns the same module, which exists only once. If the module fails, its error is
  // reported as uncaught.
  return running ? import(main).catch(() => {}) : Promise.resolve();
}

/**
 * Reports the daemon as ready after the event loop has run one turn after becomeDaemon() without an
 * uncaught error; the error of a port in use comes in that turn. A script that exits earlier with
 * code 0 has done its work.
 *
 * @param evaluated - a promise to wait for as well.
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
    // The events of what the first turn starts come in the second turn.
    await turn();
    await lookupsEnded();
    await turn();
    process.off('uncaughtExceptionMonitor', onError);
    process.off('exit', onExit);
    // A fork that the daemon has made in the meantime also gets here.
    if (native.getpid() !== pid) return;
    try {
      if (failure === undefined) inStep('ready', () => daemon.ready());
    } catch (error) {
      failure = { error };
    }
    // A listener of the script has kept the process alive.
    if (failure !== undefined) daemon.fail(failure.error);
  };
  void settle();
}

/** Resolves at once, unless the plan makes the daemon wait for its main module. */
export function evaluationFor({ ready }: Plan): Promise<unknown> {
  return ready === 'evaluated' ? mainEvaluated() : Promise.resolve();
}

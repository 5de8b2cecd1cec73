// What a SignalFlag costs: a read of `.raised` against a read of a plain boolean property, and the time from kill(2) to `.wait()`
// against process.on(). A figure is a multiple of the time of the peer. Run by `node dist/bench/signal.js`; prints a
// table and a line of JSON, with --json only the latter.
import { once } from 'node:events';
import { SignalFlag } from 'daemonkit';
import { median, printTable } from './tools.js';

const SIGNAL = 'SIGALRM';
const READS = 20_000_000;
const LATENCIES = 2000;
const ROUNDS = 9;

const nanoseconds = () => Number(process.hrtime.bigint());

/** A handwritten flag, which the compiler may keep in a register. */
class Plain {
  raised = false;
}

// A function for each, because otherwise the compiler sees two shapes of `raised` in a single loop.
function readFlag(flag: SignalFlag, times: number): number {
  let raised = 0;
  for (let i = 0; i < times; i++) if (flag.raised) raised++;
  return raised;
}

function readPlain(flag: Plain, times: number): number {
  let raised = 0;
  for (let i = 0; i < times; i++) if (flag.raised) raised++;
  return raised;
}

function emptyLoop(limit: number, times: number): number {
  let raised = 0;
  for (let i = 0; i < times; i++) if (i === limit) raised++;
  return raised;
}

function perRead(run: (times: number) => number): number {
  run(READS / 100);
  const rounds = Array.from({ length: ROUNDS }, () => {
    const start = nanoseconds();
    run(READS);
    return (nanoseconds() - start) / READS;
  });
  return median(rounds);
}

/**
 * Microseconds from kill(2) to the waiting code, for each way in turn, so that load affects both.
 */
async function latencies(): Promise<{ wait: number; on: number }> {
  const wait: number[] = [];
  const on: number[] = [];
  for (let i = 0; i < LATENCIES; i++) {
    {
      using flag = new SignalFlag(SIGNAL);
      // Begins to watch outside of the measured time, as process.on() does below.
      const waiting = flag.wait();
      const start = nanoseconds();
      process.kill(process.pid, SIGNAL);
      await waiting;
      wait.push((nanoseconds() - start) / 1000);
    }
    const heard = once(process, SIGNAL);
    const start = nanoseconds();
    process.kill(process.pid, SIGNAL);
    await heard;
    on.push((nanoseconds() - start) / 1000);
  }
  return { wait: median(wait), on: median(on) };
}

const flag = new SignalFlag(SIGNAL);
const plain = new Plain();
const keptAlive = setInterval(() => {}, 1000);
const reads = {
  flag: perRead((times) => readFlag(flag, times)),
  plain: perRead((times) => readPlain(plain, times)),
  loop: perRead((times) => emptyLoop(-1, times)),
};
flag[Symbol.dispose]();
const latency = await latencies();
clearInterval(keptAlive);

const results = {
  node: process.version,
  raised: { ...reads, unit: 'ns', ratio: reads.flag / reads.plain },
  latency: { ...latency, unit: 'us', ratio: latency.wait / latency.on },
};
if (!process.argv.includes('--json')) {
  const row = (what: string, peer: string, ratio: number) => ({
    what,
    peer,
    ratio: ratio.toFixed(2),
  });
  printTable([
    row('.raised, a read', 'boolean property, a read', reads.flag / reads.plain),
    row('an empty loop', 'boolean property, a read', reads.loop / reads.plain),
    row('kill(2) to .wait()', 'kill(2) to process.on()', latency.wait / latency.on),
  ]);
}
console.log(JSON.stringify(results));

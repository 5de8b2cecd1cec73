// npm run node-suite -- DIR [--nodes 24] [--kind child|grandchild|orphan|mid-test] [--filter REGEXP]
//   [--every N] [--jobs 1] [--timeout 60] [--delay 2] [--folders parallel,...] [--json]
// Runs Node's own tests, DIR being the `test` folder of a checkout of Node (the release that is
// tested): each alone, and as the main script of a forked process. Prints what differs; exits with
// 1 if that has no reason (node-suite-differs.ts). Takes a while: `nice -n 15`.
import { existsSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { mustDiffer } from './node-suite-differs.js';
import {
  type Ran,
  type RunSettings,
  runTest,
  type SuiteKind,
  suiteKinds,
} from './node-suite-run.js';
import { nodeLines } from './nodes.js';
import { optionsOf } from './options.js';

const usage = `node-suite DIR [--nodes 24] [--kind ${suiteKinds.join('|')}] [--filter REGEXP]
           [--every N] [--jobs 1] [--timeout 60] [--delay 2] [--json]
           [--folders parallel,es-module,sequential]
  DIR: the folder 'test' of a checkout of Node`;

/** What became of a test. */
type Verdict =
  | 'passes in both'
  | 'skipped in both'
  | 'fails in both'
  /** The fork did not happen; or the test ended before, with the way of its end. */
  | 'not forked'
  | 'must differ'
  /** With the preload alone it fails as well. */
  | 'differs by the preload'
  /** Not every time. */
  | 'flaky'
  | 'passes only when forked'
  | 'DIFFERS';

interface Result {
  test: string;
  verdict: Verdict;
  detail?: string;
}

function natural(text: string, name: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name}: not a number: ${text}`);
  return value;
}

function parse() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      nodes: { type: 'string', default: '24' },
      kind: { type: 'string', default: 'child' },
      filter: { type: 'string', default: '' },
      every: { type: 'string', default: '1' },
      jobs: { type: 'string', default: '1' },
      timeout: { type: 'string', default: '60' },
      delay: { type: 'string', default: '2' },
      folders: { type: 'string', default: 'parallel,es-module,sequential' },
      json: { type: 'boolean', default: false },
    },
  });
  const [directory] = positionals;
  if (directory === undefined || positionals.length > 1) throw new Error('which DIR?');
  if (!existsSync(join(directory, 'common/index.js'))) {
    throw new Error(`${directory} is not the folder 'test' of a checkout of Node`);
  }
  const kind = suiteKinds.find((name) => name === values.kind);
  if (kind === undefined) throw new Error(`--kind: not one: ${values.kind}`);
  return {
    ...{ directory: resolve(directory), kind, json: values.json },
    nodes: values.nodes.split(','),
    folders: values.folders.split(','),
    filter: new RegExp(values.filter),
    every: natural(values.every, 'every'),
    jobs: natural(values.jobs, 'jobs'),
    timeout: natural(values.timeout, 'timeout') * 1000,
    delay: kind === 'mid-test' ? natural(values.delay, 'delay') : 0,
  };
}

/** Every Nth of the tests that the filter lets through, those of `sequential` last. */
function find({ directory, folders, filter, every }: ReturnType<typeof parse>): string[] {
  return folders
    .filter((folder) => existsSync(join(directory, folder)))
    .flatMap((folder) =>
      readdirSync(join(directory, folder))
        .filter((name) => /^test-.*\.[cm]?js$/.test(name))
        .sort()
        .map((name) => `${folder}/${name}`),
    )
    .filter((test) => filter.test(test))
    .filter((_, index) => index % every === 0);
}

class Suite {
  readonly #directory: string;
  readonly #kind: SuiteKind;
  readonly #settings: RunSettings;
  readonly #logs: string;

  constructor(directory: string, kind: SuiteKind, settings: RunSettings) {
    this.#directory = directory;
    this.#kind = kind;
    this.#settings = settings;
    this.#logs = mkdtempSync(join(tmpdir(), 'daemonkit-node-suite-logs-'));
  }

  #run(test: string, way: SuiteKind | 'alone' | 'preloaded'): Promise<Ran> {
    return runTest(join(this.#directory, test), way, this.#settings);
  }

  #keep(test: string, ran: Ran): string {
    const path = join(this.#logs, `${test.replaceAll('/', '-')}.txt`);
    writeFileSync(path, `${ran.ending}\n${ran.output}`);
    return `${ran.ending}, see ${path}`;
  }

  async judge(test: string): Promise<Result> {
    const alone = await this.#run(test, 'alone');
    const forked = await this.#run(test, this.#kind);
    if (forked.report !== 'forked') {
      const error = /^.*Error\b.*$/m.exec(forked.output)?.[0] ?? '';
      const detail = forked.report || `it ended before, ${forked.ending} ${error}`.trim();
      return { test, verdict: 'not forked', detail };
    }
    if (alone.ok && forked.ok) {
      return { test, verdict: alone.skipped ? 'skipped in both' : 'passes in both' };
    }
    if (!alone.ok && !forked.ok) return { test, verdict: 'fails in both', detail: alone.ending };
    if (!alone.ok) {
      const again = await this.#run(test, 'alone');
      return {
        test,
        verdict: again.ok ? 'flaky' : 'passes only when forked',
        detail: alone.ending,
      };
    }
    return this.#explain(test, forked);
  }

  async #explain(test: string, forked: Ran): Promise<Result> {
    const detail = this.#keep(test, forked);
    const expected = mustDiffer.find(
      ({ test: pattern, kinds }) =>
        pattern.test(test) && (kinds === undefined || kinds.includes(this.#kind)),
    );
    if (expected) return { test, verdict: 'must differ', detail: expected.reason };
    for (let tries = 0; tries < 2; tries++) {
      if ((await this.#run(test, this.#kind)).ok) return { test, verdict: 'flaky', detail };
    }
    if (!(await this.#run(test, 'preloaded')).ok) {
      return { test, verdict: 'differs by the preload', detail };
    }
    const alone = await this.#run(test, 'alone');
    return { test, verdict: alone.ok ? 'DIFFERS' : 'flaky', detail };
  }
}

const quiet: Verdict[] = ['passes in both', 'skipped in both', 'fails in both'];

async function all(suite: Suite, tests: string[], jobs: number): Promise<Result[]> {
  const results: Result[] = [];
  const work = async (left: string[]) => {
    for (let test = left.shift(); test !== undefined; test = left.shift()) {
      const result = await suite.judge(test);
      results.push(result);
      const { verdict, detail } = result;
      if (!quiet.includes(verdict)) console.error(`  ${test}: ${verdict}: ${detail}`);
      if (results.length % 100 === 0) console.error(`  ${results.length} of ${tests.length}`);
    }
  };
  const alongside = tests.filter((test) => !test.startsWith('sequential/'));
  await Promise.all(Array.from({ length: jobs }, () => work(alongside)));
  await work(tests.filter((test) => test.startsWith('sequential/')));
  return results;
}

function print(results: Result[]) {
  // What fails the run comes last.
  const verdicts = [...new Set(results.map(({ verdict }) => verdict))].sort().reverse();
  for (const verdict of verdicts) {
    const of = results.filter((result) => result.verdict === verdict);
    console.log(`${of.length} ${verdict}`);
    if (quiet.slice(0, 2).includes(verdict)) continue;
    for (const { test, detail } of of.sort((a, b) => (a.test < b.test ? -1 : 1))) {
      console.log(`  ${test}${detail === undefined ? '' : `: ${detail}`}`);
    }
  }
}

const options = optionsOf(parse, usage);
const { directory, kind, nodes, jobs, timeout, delay, json } = options;
const tests = find(options);
for (const { version, path: node } of nodeLines(nodes)) {
  console.error(`Node ${version}: ${tests.length} tests, each in a ${kind}`);
  const suite = new Suite(directory, kind, { node, timeout, delay });
  const results = await all(suite, [...tests], jobs);
  if (json) console.log(JSON.stringify({ version, kind, results }, null, 2));
  else print(results);
  if (tests.length === 0 || results.some(({ verdict }) => verdict === 'DIFFERS')) {
    process.exitCode = 1;
  }
}

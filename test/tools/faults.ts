// npm run faults [-- --most N --only fork|daemon|kill|prefork]: makes what can fail fail, and prints what became of it.
import { parseArgs } from 'node:util';
import { daemonFaults } from './faults-daemon.js';
import { type Fault, forkFaults } from './faults-fork.js';
import { preforkFaults } from './faults-prefork.js';

const { values } = parseArgs({
  options: { most: { type: 'string', default: '40' }, only: { type: 'string', default: '' } },
});
const most = Number(values.most);
const campaigns: Record<string, () => Promise<Fault[]>> = {
  fork: () => forkFaults(most),
  daemon: () => daemonFaults(most, false),
  kill: () => daemonFaults(most, true),
  prefork: () => preforkFaults(most),
};

/** One line for each call and result. */
function table(faults: Fault[]): void {
  const rows = new Map<string, { call: string; result: string; what: string; places: number }>();
  for (const { place, result, what } of faults) {
    const call = place.split(' ')[0] as string;
    const key = `${call} ${result} ${what.split('\n')[0]}`;
    const row = rows.get(key) ?? { call, result, what: what.split('\n')[0] as string, places: 0 };
    row.places++;
    rows.set(key, row);
  }
  console.table([...rows.values()]);
  for (const { place, result, what } of faults) {
    if (result === 'harm') console.log(`${place}: ${what}`);
  }
}

for (const [name, campaign] of Object.entries(campaigns)) {
  if (values.only !== '' && values.only !== name) continue;
  const faults = await campaign();
  console.log(`# ${name}: ${faults.length} faults on Node ${process.version}`);
  table(faults);
  if (faults.some(({ result }) => result === 'harm')) process.exitCode = 1;
}

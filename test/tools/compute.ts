// Programs that use runInFork() and assert for themselves; no child and no descriptor is left of them.
import assert from 'node:assert/strict';
import { runScript } from './script.js';

export const prelude = `
import assert from 'node:assert/strict';
const { runInFork } = daemonkit;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const leads = (fd) => { try { return fs.readlinkSync('/proc/self/fd/' + fd); } catch { return ''; } };
// libuv keeps the one of fs.watch(); a c-ares that was built without getrandom(2), as that of the wheels for musl, its source.
const descriptors = () => fs.readdirSync('/proc/self/fd').filter((fd) => !/inotify|^.dev.urandom/.test(leads(fd))).length;
const children = () => fs.readFileSync('/proc/self/task/' + process.pid + '/children', 'utf8').trim();
const failure = (promise) => promise.then(() => assert.fail('it was resolved'), (error) => error);
await runInFork(() => 1);
const before = descriptors();
process.on('beforeExit', () => {
  assert.equal(descriptors(), before, 'a descriptor is left');
  assert.equal(children(), '', 'a child is left');
});
`;

/** The module asserts for itself, and says nothing. */
export function holds(source: string, args: string[] = [], node: string[] = []): void {
  const options = { args, node, timeout: 60_000 };
  const { status, signal, stderr, stdout } = runScript(prelude + source, options);
  assert.deepEqual([status, signal, stderr, stdout], [0, null, '', '']);
}

// File watchers: in the child each watches the same file as in the parent, or emits 'error'.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { needs } from './tools/needs.js';
import { type RunOptions, succeeds } from './tools/run.js';
import { scratch } from './tools/scratch.js';

type Events = Record<string, string[]>;

/** The scenarios of fixtures/watchers-paths.ts; the others are those of fixtures/watchers.ts. */
const PATHS = ['elsewhere', 'grandchild', 'inChroot', 'leftDirectory'];

/** What the processes of a scenario print. */
async function told<T>(scenario: string, options: RunOptions = {}): Promise<T[]> {
  const fixture = PATHS.includes(scenario) ? 'watchers-paths.js' : 'watchers.js';
  const lines = (await succeeds(fixture, [scenario], options)).split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line) as T).reverse();
}

const isRoot = process.getuid?.() === 0;
/**
 * As a user other than root, who may not open a file by its handle (and otherwise behaves the
 * same).
 */
const notRoot = isRoot ? needs('setpriv') : {};
const withoutHandles = isRoot ? ['setpriv', '--bounding-set=-dac_read_search'] : [];

/** In a mount namespace with a file system that has handles, as overlayfs, Docker's, has none. */
function onTmpfs(folder: string, more = 'true') {
  const mounts = `mount -t tmpfs none "$TMPDIR" && ${more} && exec "$@"`;
  return { under: ['unshare', '-m', 'sh', '-c', mounts, 'sh'], env: { TMPDIR: folder } };
}

interface Elsewhere {
  kept: number;
  of: number;
  events: Events;
  resources: string[];
}

/**
 * A watch whose file has no name any more reports the end; a new file of that name does not matter.
 */
const always: Events = {
  gone: ['rename gone'],
  taken: ['rename taken'],
  folder: ['change plain'],
  open: ['change open'],
  end: ['change end'],
};

test(
  'paths that lead elsewhere: root has the files by their handles',
  needs('root', 'unshare', 'mount'),
  async (t) => {
    const [child] = await told<Elsewhere>('elsewhere', onTmpfs(scratch(t)));
    const events: Events = { ...always, relative: ['change plain'], deep: ['change file'] };
    for (const name of ['moved', 'replaced', 'left', 'right']) events[name] = [`change ${name}`];
    // Two watchers of one file, by a relative path and by a link.
    events.link = ['change plain'];
    assert.deepEqual(child, { kept: 9, of: 9, events, resources: [] });
  },
);

test(
  'paths that lead elsewhere: an error for who is not root, once and not in fork()',
  notRoot,
  async () => {
    const [child] = await told<Elsewhere>('elsewhere', { under: withoutHandles });
    const events = { ...always };
    for (const name of ['relative', 'deep', 'moved', 'replaced', 'left', 'right', 'link']) {
      events[name] = ['error ENOENT'];
    }
    assert.deepEqual(child, { kept: 3, of: 9, events, resources: [] });
  },
);

test('a relative path from the directory that the program was started in', notRoot, async (t) => {
  const under = ['env', '-C', scratch(t), ...withoutHandles];
  assert.deepEqual(await told('leftDirectory', { under }), [{ conf: ['change conf'] }]);
});

test(
  'in a chroot: by handle, or by what is open',
  needs('root', 'unshare', 'mount', 'setpriv'),
  async (t) => {
    const root = 'mkdir "$TMPDIR/proc" && mount -t proc none "$TMPDIR/proc"';
    const { under = [], env } = onTmpfs(scratch(t), root);
    const change = ['change file'];
    const found = [{ outside: change, inside: change }];
    assert.deepEqual(await told('inChroot', { under, env }), found);
    const one = [{ outside: ['error ENOENT'], inside: change }];
    assert.deepEqual(await told('inChroot', { under: [...under, ...withoutHandles], env }), one);
  },
);

test('a child of the child hears of the error as well', notRoot, async () => {
  assert.deepEqual(await told('grandchild', { under: withoutHandles }), [
    ['child', 1, {}],
    ['grandchild', 1, {}],
  ]);
});

test('fork() in a callback: two watchers of the file, and what libuv had read', async () => {
  const events = Object.fromEntries(
    ['two', 'later', 'last', 'end'].map((n) => [n, [`change ${n}`]]),
  );
  const all = { one: ['change two'], ...events };
  assert.deepEqual(await told('inCallback'), [
    ['parent', all],
    ['child', all],
  ]);
  // Too many numbers to use up: the child misses events that libuv had read but not delivered.
  const { later, last, ...rest } = all as Events;
  assert.deepEqual([later, last], [['change later'], ['change last']]);
  assert.deepEqual(await told('inCallbackFarOff'), [
    ['parent', all],
    ['child', rest],
  ]);
});

test('recursive, polled and iterated ones work', async () => {
  assert.deepEqual(await told('kinds'), [['end', 'iterated', 'polled', 'tree']]);
});

test("a Worker's are severed: told that they are gone, and free for new ones", async () => {
  assert.deepEqual(await told('severed'), [
    ['parent', ['change one', 'change three', 'ready']],
    ['child', ['change three', 'ready', 'rename one', 'rename two']],
  ]);
});

test('a thousand have their numbers and their files', async () => {
  assert.deepEqual(await told('many'), [1000]);
});

test("at the user's limit of watches fork() throws ENOSPC", needs('unshare'), async () => {
  const limit = 'echo 1 > /proc/sys/user/max_inotify_watches && exec "$@"';
  const under = ['unshare', '-Ur', 'sh', '-c', limit, 'sh'];
  assert.deepEqual(await told('limited', { under }), ['refused']);
});

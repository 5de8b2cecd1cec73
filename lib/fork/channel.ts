// The IPC channels of node:child_process: to the process that started this one, and to its
// children.
import { apply, deleteProperty, ownKeys } from '../atfork/originals.js';

/** The part of a libuv handle's wrapper that is needed to close it. */
export interface Handle {
  reading?: boolean;
  readStop?(): void;
  close(): void;
}

/**
 * An object that setupChannel() of lib/internal/child_process.js has turned into an end of a
 * channel.
 */
export interface End {
  channel?: unknown;
  connected?: boolean;
}

const description = Object.getOwnPropertyDescriptor(Symbol.prototype, 'description')
  ?.get as () => string;

/** Finds the handle, which Node keeps under a symbol. */
export function channelHandle(end: End): Handle | undefined {
  const keys = ownKeys(end);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as PropertyKey;
    if (typeof key === 'symbol' && apply(description, key, []) === 'kChannelHandle') {
      return (end as Record<symbol, Handle | undefined>)[key];
    }
  }
  return undefined;
}

/** Closes a handle without reading data of the parent, and without a message to the other end. */
export function closeHandle(handle: Handle): void {
  handle.reading = false;
  handle.readStop?.();
  handle.close();
}

/**
 * Closes an end of a channel. disconnect() would send a message to the other end, and so disconnect
 * the parent too.
 */
export function closeEnd(end: End): void {
  if (!end.channel) return;
  const handle = channelHandle(end);
  if (handle === undefined) return;
  end.channel = null;
  end.connected = false;
  closeHandle(handle);
}

// In a worker of node:cluster it is loaded already; elsewhere it is not needed.
const cluster = process.channel
  ? (process.getBuiltinModule('node:cluster') as unknown as Record<string, unknown>)
  : undefined;

/** The properties that setupChannel() adds to its target. */
const OF_CHANNEL = [
  'channel',
  '_channel',
  'send',
  '_send',
  'disconnect',
  '_disconnect',
  '_handleQueue',
  '_pendingMessage',
];

/** The reason why a child could not close the process's channel. */
export function channelObstacle(): string | undefined {
  if (!process.channel || channelHandle(process) !== undefined) return undefined;
  return 'this version of daemonkit does not know the form of the IPC channel (process.send)';
}

/**
 * The channel belongs to the parent: in the child `process.send` and `process.connected` are as in
 * a process without a channel. A worker of node:cluster listens through its primary process, so the
 * child must not be such a worker any more.
 */
export function closeChannel(rehearsal?: boolean): void {
  if (!process.channel || rehearsal) return;
  closeEnd(process);
  for (let i = 0; i < OF_CHANNEL.length; i++) deleteProperty(process, OF_CHANNEL[i] as string);
  if (cluster?.isWorker) {
    cluster.isWorker = false;
    cluster.isPrimary = true;
    cluster.isMaster = true;
    deleteProperty(cluster, 'worker');
  }
}

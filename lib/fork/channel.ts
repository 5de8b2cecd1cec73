// IPC channels of node:child_process: to the process that started us, and to those that we started.
import { apply, deleteProperty, ownKeys } from '../atfork/originals.js';

/** The part of a libuv handle's wrapper that is needed to give it up. */
export interface Handle {
  reading?: boolean;
  readStop?(): void;
  close(): void;
}

/** An object that setupChannel() of lib/internal/child_process.js has made an end of a channel. */
export interface End {
  channel?: unknown;
  connected?: boolean;
}

const description = Object.getOwnPropertyDescriptor(Symbol.prototype, 'description')
  ?.get as () => string;

/** Where Node keeps the handle: under a symbol of its own. */
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

/** Closes a handle, without reading what is the parent's and without a word to the other end. */
export function closeHandle(handle: Handle): void {
  handle.reading = false;
  handle.readStop?.();
  handle.close();
}

/** Closes an end of a channel. disconnect() would tell the other end, and so speak for both. */
export function closeEnd(end: End): void {
  if (!end.channel) return;
  const handle = channelHandle(end);
  if (handle === undefined) return;
  end.channel = null;
  end.connected = false;
  closeHandle(handle);
}

// In a worker of node:cluster it is loaded already; elsewhere it is not wanted.
const cluster = process.channel
  ? (process.getBuiltinModule('node:cluster') as unknown as Record<string, unknown>)
  : undefined;

/** What setupChannel() puts on its target. */
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

/** Why the process's channel could not be closed in a child. */
export function channelObstacle(): string | undefined {
  if (!process.channel || channelHandle(process) !== undefined) return undefined;
  return 'the IPC channel (process.send) is not as this version of daemonkit knows it';
}

/**
 * The channel is the parent's: who asks `process.send` or `process.connected` finds a process without
 * one. Without it a worker of node:cluster could not listen, as it asks the primary process to.
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

// The addon's functions where there is no addon, or no event loop that they could use.
import { unsupported } from './host.js';

/**
 * What is about Node itself: its event loop (libuv), its heap (V8), its threads, its handlers of signals, its
 * own descriptors. Bun ends the process at a call of libuv that it does not have; Deno has few of them.
 */
export const NODES: ReadonlySet<string> = new Set([
  'awaitRequests',
  'completeWrites',
  'disownProcesses',
  'entropyFound',
  'exec',
  'fillRandom',
  'followCaller',
  'fork',
  'forkObstacles',
  'handleDescriptors',
  'launch',
  'leaveLoop',
  'loopDescriptors',
  'processHandles',
  'queuedWrites',
  'quiesce',
  'randomIntCache',
  'redirect',
  'reexec',
  'refreshEntropy',
  'rememberStandard',
  'resetTerminal',
  'setNoNewPrivileges',
  'signalFlagOpen',
  'startBeside',
  'step',
  'watch',
]);

/** What is asked for when the package is loaded; Linux's numbers serve, as nothing comes of them. */
const AT_LOAD = {
  forkInterface: () => ({}),
  signalHandler: () => 0,
  signalRtMax: () => 64,
  signalRtMin: () => 34,
};

/** Of functions that are not called as what they call. */
const CALLS: Readonly<Record<string, string>> = {
  getChildSubreaper: 'prctl',
  getParentDeathSignal: 'prctl',
  groupByName: 'getgrnam',
  listenBeside: 'listen',
  listenTcp: 'listen',
  listenUnix: 'listen',
  notifyOpen: 'socket',
  openTrusted: 'open',
  rlimitResources: 'getrlimit',
  setChildSubreaper: 'prctl',
  setParentDeathSignal: 'prctl',
  signalMask: 'pthread_sigmask',
  userByName: 'getpwnam',
};

/** A function's name as the system's: `pidfd_open`. */
const asCall = (name: string) =>
  CALLS[name] ?? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function refusal(reason: string, name: string) {
  return () => {
    throw unsupported(reason, asCall(name));
  };
}

/** An addon that refuses every call, for this reason. */
export function absentNative(reason: string): object {
  return new Proxy(AT_LOAD, {
    get: (known, name) => Reflect.get(known, name) ?? refusal(reason, String(name)),
  });
}

/** The addon, without what is about Node itself. */
export function thinNative(whole: object, reason: string): object {
  const thin = Object.entries(whole).map(([name, value]) => [
    name,
    NODES.has(name) ? refusal(reason, name) : value,
  ]);
  return Object.fromEntries(thin);
}

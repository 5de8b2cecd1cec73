// Stands for the addon's functions where there is no addon, or no event loop that they can use.
import { unsupported } from './host.js';

/**
 * Functions that need Node itself: its event loop (libuv), heap (V8), threads, signal handlers or
 * own descriptors. Bun ends the process when an addon calls a libuv function that Bun lacks; Deno
 * has few of these functions.
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
  'isBusy',
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

/**
 * Functions that run when the package is loaded. Linux's numbers are used, because the results have
 * no effect.
 */
const AT_LOAD = {
  forkInterface: () => ({}),
  signalHandler: () => 0,
  signalRtMax: () => 64,
  signalRtMin: () => 34,
};

/** The system call of each function that has another name than its call. */
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

/** A function's name in the form of a system call: `pidfd_open`. */
const asCall = (name: string) =>
  CALLS[name] ?? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function refusal(reason: string, name: string) {
  return () => {
    throw unsupported(reason, asCall(name));
  };
}

/** An addon that refuses every call with this reason. */
export function absentNative(reason: string): object {
  return new Proxy(AT_LOAD, {
    get: (known, name) => Reflect.get(known, name) ?? refusal(reason, String(name)),
  });
}

/** The addon without the functions that need Node itself. */
export function thinNative(whole: object, reason: string): object {
  const thin = Object.entries(whole).map(([name, value]) => [
    name,
    NODES.has(name) ? refusal(reason, name) : value,
  ]);
  return Object.fromEntries(thin);
}

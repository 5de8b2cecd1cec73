// Which functions there are, and on which system each of them does something. A function that is
// added or goes must be added or go here.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { NAMES } from '../lib/addon/names.js';
import { native } from '../lib/addon/native.js';
import * as daemonkit from '../lib/index.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const words = (text: string) => text.trim().split(/\s+/);

/** The addon's functions by the system on which they work; elsewhere they answer -ENOSYS. */
const NATIVE = {
  everywhere: words(`
    accessMode adoptIds awaitBirth awaitHangup awaitRequests chroot closeOnExec closeRange completeWrites disownProcesses
    disposition dup dup2 entropyFound exit exitDescriptor fillRandom flockExclusive flockHeld fork
    forkInterface forkObstacles getChildSubreaper
    getParentDeathSignal getdtablesize getpgid getpid getppid getresgid getresuid getrlimit getsid
    giveBackStandard groupByName handleDescriptors hasCapabilities idsAdopted ignoreSignal isBusy isListening leaveLoop listenTcp listenUnix
    localPort loginGroup loopDescriptors makeBlocking mapFile notifyAnew notifyBarrier notifyOpen notifySend processHandles queuedWrites quiesce
    openTrusted randomIntCache redirect reexec refreshEntropy rememberStandard resetSignal
    resetTerminal rlimitResources sendRecord setChildSubreaper setParentDeathSignal setgroups
    setNoNewPrivileges setpgid setresgid setresuid setrlimit setsid signalFlagCame signalFlagClose signalFlagFd signalFlagLatest
    signalFlagOpen signalFlagRead signalFlagSeen signalFlagSettle signalHandler signalMask signalRtMax signalRtMin
    signalTaken socketpair supplementaryGroups tryOpenAs unignoreSignal userByName connectUnix exec placeDescriptors followCaller launch beginChange endChange peerAddress step userEntry waitpid watch writeAll writeWithin
    listenBeside sendRecordIfRead startBeside`),
  linux: words('anonymousFile steer pidfdOpen pidfdSendSignal sameOpenFile'),
  freebsd: words('fileDescriptors'),
};

/** What the package exports, in the same way; fork() and quiesce() say ENOTSUP on FreeBSD. */
const PUBLIC = {
  everywhere: words(`
    DaemonError Pidfile SignalFlag _exit atFork becomeDaemon chroot closeInherited closeRange closefrom
    currentDaemon dropPrivileges dup dup2 execve forkInterface forkSupport getChildSubreaper getParentDeathSignal getdtablesize getpgid
    getpid getppid getresgid getresuid getrlimit getsid ignoreSignals initgroups listenFds
    listeningSocket notify notifyBarrier openDescriptors planDaemon pidfileRead pidfileSignal pidfileStop redirect redirectToNull resetSignals
    setChildSubreaper setParentDeathSignal setgroups setpgid setresgid setresuid setrlimit setsid
    signalMask startWatchdog supervisor waitpid waitpidAsync watchdogInterval`),
  linux: words('fork mapInForks pidfdOpen pidfdSendSignal prefork quiesce reapOrphans runInFork'),
};

function sameNames(there: string[], listed: string[]): void {
  assert.deepEqual(
    {
      notListedHere: there.filter((name) => !listed.includes(name)),
      gone: listed.filter((name) => !there.includes(name)),
    },
    { notListedHere: [], gone: [] },
  );
}

/** For each family of cpp/sys, the systems with a separate file. */
function families(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const file of readdirSync(join(root, 'cpp', 'sys'))) {
    const [, family, system] = /^(.*)_(linux|freebsd)\.cc$/.exec(file) ?? [];
    if (family && system) found.set(family, [...(found.get(family) ?? []), system].sort());
  }
  return found;
}

test('the addon has these functions', () => {
  sameNames(Object.keys(native), ['names', ...Object.values(NATIVE).flat()]);
});

test('the package exports these names', () => {
  sameNames(Object.keys(daemonkit), Object.values(PUBLIC).flat());
});

test('what is FreeBSD only says ENOSYS on Linux', { skip: process.platform !== 'linux' }, () => {
  assert.deepEqual(native.fileDescriptors(process.pid), [[-constants.errno.ENOSYS, '', '', 0]]);
});

test('each family with a file for one system has one for the other, and both are built', () => {
  const gyp = readFileSync(join(root, 'cpp', 'binding.gyp'), 'utf8');
  const all = families();
  assert.ok(all.size > 5);
  for (const [family, systems] of all) {
    assert.deepEqual(systems, ['freebsd', 'linux'], family);
    for (const system of systems) assert.ok(gyp.includes(`"sys/${family}_${system}.cc"`), family);
  }
});

test('the names of the numbers that cross the addon are one on both sides', () => {
  assert.deepEqual(native.names, NAMES);
});

test('no source of cpp/sys asks for the system by #ifdef', () => {
  for (const file of readdirSync(join(root, 'cpp', 'sys'))) {
    assert.doesNotMatch(
      readFileSync(join(root, 'cpp', 'sys', file), 'utf8'),
      /#\s*(if|elif).*(__linux__|__FreeBSD__)/,
      file,
    );
  }
});

// cpp/ comes before the system's folders on the include path.
test("no header of cpp/sys hides one of the system's", () => {
  const known = new Set([
    ...['/usr/include/sys', '/usr/include/x86_64-linux-gnu/sys']
      .filter(existsSync)
      .flatMap((d) => readdirSync(d)),
    ...words('filedesc.h proc.h procdesc.h procctl.h signalvar.h thr.h umtx.h user.h'),
  ]);
  const headers = readdirSync(join(root, 'cpp', 'sys')).filter((file) => file.endsWith('.h'));
  assert.deepEqual(
    headers.filter((file) => known.has(file)),
    [],
  );
});

// addon.cjs [FILE]: the addon's plain functions, called under any engine that can load it; TAP. Needs
// a loader and print() or console.log(), nothing else of Node.
'use strict';

const say = typeof print === 'function' ? print : console.log;
const [file = '../../build/Release/daemonkit.node'] =
  typeof process === 'object' ? process.argv.slice(2) : [];
// A host without require() puts what it has loaded there.
const native = globalThis.addon || require(file);

let number = 0;
let failed = 0;

function check(title, holds) {
  number++;
  if (!holds) failed++;
  say(`${holds ? 'ok' : 'not ok'} ${number} - ${title}`);
}

const NOBODY = -3; // ESRCH on every system
const BAD = -9; // EBADF

say('TAP version 13');
// 0 in a PID namespace whose session began outside it (pid_namespaces(7)), so compared, not bounded.
check('getsid', native.getsid(0) === native.getsid(native.getpid()) && native.getsid(0) >= 0);
check('getpgid', native.getpgid(0) === native.getpgid(native.getpid()) && native.getpgid(0) >= 0);
check('getpid, getppid', native.getpid() > 0 && native.getppid() >= 0);
check('dup', native.dup(-1) === BAD && native.dup(0) > 2);
check('getdtablesize', native.getdtablesize() > 2);
check('rlimits', native.getrlimit(native.rlimitResources()[0][1])[0] === 0);
check('getresuid', native.getresuid().length === 3 && native.getresgid().length === 3);
check('root by name', native.userByName('root') === 0);
check('capabilities', native.hasCapabilities() >= 0);
check('dispositions', native.disposition(15) >= 0 && native.disposition(9) === 0);
check('mask', Array.isArray(native.signalMask(0, [])));
check('no such process', native.getsid(99999999) === NOBODY);
check('subreaper', native.setChildSubreaper(true) === 0 && native.getChildSubreaper() === 1);
check('subreaper given back', native.setChildSubreaper(false) === 0);

const memory = new Int32Array(2);
const flag = native.signalFlagOpen(memory, Int32Array.of(native.signalRtMin()));
check('a flag for a real-time signal', flag >= 0 && native.signalFlagFd(flag) > 2);
native.signalFlagClose(flag);

const [one, other] = native.socketpair(true);
check('a pair of record sockets', one > 2 && native.sendRecord(other, 'r') === 0);
const server = native.listenTcp('127.0.0.1', 0, false, 5, 0);
check('a listening socket', native.localPort(server) > 0);
check('its loop', native.loopDescriptors().length > 0);
const files = native.fileDescriptors(native.getpid());
check('descriptors, or ENOSYS', files.length > 2 || files[0][0] < 0);
const obstacles = native.forkObstacles();
check('forkObstacles', Array.isArray(obstacles) && obstacles.every((text) => text.length > 0));
say(`# live fork: ${obstacles.join('; ') || 'no obstacle'}`);
say(`1..${number}`);
if (failed > 0) throw new Error(`${failed} of ${number} failed`);

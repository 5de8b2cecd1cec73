// System calls of prefork()'s master and workers that fail, and each of them killed in the middle of its
// start, reload and end: what is missing comes back, or all of it ends. `npm run faults` tries every call.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type PhaseName, preforkFault } from './tools/faults-prefork.js';
import { needsStrace } from './tools/needs.js';

const fails: [
  phase: PhaseName,
  call: string,
  when: number,
  result: string,
  words: RegExp,
  file?: string,
][] = [
  // The second one is prefork()'s own: the file that bind(2) made must go.
  ['starting master', 'listen', 2, 'refused', /ENOMEM: .*listen/],
  // Of the file that bind(2) has made: it must go. By its name: how many others there are is the C library's affair.
  ['starting master', 'statx', 1, 'refused', /ENOMEM: .*lstat/, 's'],
  // The first one asks for the name of the program's own socket, which may have none.
  ['starting master', 'getsockname', 2, 'refused', /ENOMEM: .*getsockname/],
  ['starting master', 'epoll_ctl', 1, 'refused', /ENOSPC: .*poll/],
  ['starting master', 'clone', 1, 'tolerated', /EAGAIN: .*clone/],
  // The wait for a worker is made again; in the other workers, which copy it, it is over.
  ['starting master', 'wait4', 1, 'tolerated', /^without effect$/],
  // Of the second seat's socket; the first one is there by then.
  ['starting master with queues', 'bind', 3, 'refused', /ENOMEM: .*listen/],
  ['starting master with queues', 'listen', 3, 'refused', /ENOMEM: .*listen/],
  ['reloading master', 'kill', 1, 'tolerated', /^without effect$/],
  ['rolling master', 'clone', 1, 'tolerated', /EAGAIN: .*clone/],
  ['scaling master', 'clone', 1, 'tolerated', /EAGAIN: .*clone/],
  ['ending master', 'kill', 1, 'tolerated', /^ended$/],
  // The line, the relay, the process itself, the wait for it.
  ['master whose upgrade fails', 'socketpair', 1, 'tolerated', /EMFILE|ENOMEM|ENFILE/],
  ['master whose upgrade fails', 'clone', 1, 'tolerated', /EAGAIN: .*fork/],
  // The record that the new program may continue is sent again.
  ['master that hands over', 'sendto', 1, 'tolerated', /^upgraded$/],
  // Killed by the next one.
  ['master of a hung worker', 'kill', 1, 'tolerated', /^SIGKILL$/],
  ['recycling master', 'clone', 1, 'tolerated', /EAGAIN: .*clone/],
  ['ending master', 'unlink', 1, 'tolerated', /^ended, unlink told$/],
  ['ending master', 'statx', 1, 'tolerated', /^ended, unlink told$/, 's'],
  ['starting master', 'pidfd_open', 1, 'tolerated', /^without effect$/],
  ['starting master', 'memfd_create', 1, 'tolerated', /^without effect$/],
  // A report, which may be lost, and the word that it is ready.
  ['starting worker', 'sendto', 1, 'tolerated', /^without effect$/],
  ['starting worker', 'sendto', 2, 'tolerated', /^1$/],
  ['starting worker of a reload', 'ioctl', 1, 'tolerated', /^1/],
];

for (const [phase, call, when, result, words, file] of fails) {
  test(`${call} fails in the ${phase}`, needsStrace, async () => {
    let fault = await preforkFault(phase, { call, when, file }, false);
    // Node 22 and later make the call once before, where it does no harm either.
    if (fault.result === 'tolerated' && result === 'refused') {
      fault = await preforkFault(phase, { call, when: when + 1, file }, false);
    }
    // glibc before 2.34 and musl make threads by the same call, and the first one may be a thread's.
    if (call === 'clone' && !words.test(fault.what)) {
      fault = await preforkFault(phase, { call, when: when + 1, file }, false);
    }
    // musl's fork(3), by which libuv starts a program, is fork(2) where the processor has it (src/process/_Fork.c).
    if (call === 'clone' && !words.test(fault.what)) {
      fault = await preforkFault(phase, { call: 'fork', when, file }, false);
    }
    assert.equal(fault.result, result, fault.what);
    assert.match(fault.what, words);
  });
}

const kills: [phase: PhaseName, call: string, words: RegExp][] = [
  ['starting master', 'clone', /^killed$/],
  ['reloading master', 'pidfd_open', /^killed$/],
  ['ending master', 'kill', /^killed$/],
  ['starting worker', 'listen', /^SIGKILL$/],
  ['serving worker', 'accept4', /^SIGKILL$/],
  // Its workers may be zombies before they can be identified.
  ['master that takes over', 'pidfd_open', /^the new program was ended by SIGKILL/],
  ['starting worker of a reload', 'sendto', /SIGKILL.*ended before it was ready/],
];

for (const [phase, call, words] of kills) {
  test(`SIGKILL at ${call} in the ${phase}`, needsStrace, async () => {
    const { result, what } = await preforkFault(phase, { call, when: 1 }, true);
    assert.notEqual(result, 'harm', what);
    assert.match(what, words);
  });
}

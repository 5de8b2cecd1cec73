import { SignalFlag } from 'daemonkit';

const timeToDie = new SignalFlag(['SIGINT', 'SIGTERM']);
let rounds = 0;
while (!timeToDie.raised) rounds++; // no await and no timer: the event loop never runs
console.log(`${rounds > 0 ? 'some' : 'no'} rounds of work`);

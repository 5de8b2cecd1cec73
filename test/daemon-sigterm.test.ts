// SIGTERM to a daemon whose script has handled one already: no signal is without effect.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { scratch } from './tools/scratch.js';
import { runScript } from './tools/script.js';

/** A daemon in the foreground; `first` handles a SIGTERM that it has sent itself, and gives up on it. */
const ways: Record<string, { before?: string; first: string }> = {
  'a flag that is disposed as soon as it has seen it': {
    first: `const flag = new SignalFlag('SIGTERM'); kill(); await flag.wait(); flag[Symbol.dispose]();`,
  },
  'a flag from before the call': {
    before: "const flag = new SignalFlag('SIGTERM');",
    first: 'kill(); await flag.wait(); flag[Symbol.dispose]();',
  },
  'two flags, and one that saw several': {
    first: `const flags = [new SignalFlag('SIGTERM'), new SignalFlag(['SIGTERM', 'SIGINT'])];
      for (let i = 1; i <= 3; i++) { kill(); while (flags[1].view[1] < i); await turns(); }
      for (const flag of flags) flag[Symbol.dispose]();`,
  },
  'a listener for one': {
    first: "process.once('SIGTERM', () => say('listener')); kill(); await turns();",
  },
  'a listener from before the call, that is removed': {
    before: "const listener = () => say('listener'); process.on('SIGTERM', listener);",
    first: "kill(); await turns(); process.off('SIGTERM', listener);",
  },
  'a flag and a listener at once': {
    first: `const flag = new SignalFlag('SIGTERM'); process.once('SIGTERM', () => say('listener'));
      kill(); await turns(); flag[Symbol.dispose]();`,
  },
  'a master of workers that has stopped': {
    first: `const master = daemonkit.prefork({ workers: 1, onWorkerStart() {} }); await master.ready;
      kill(); await master.finished;`,
  },
};

for (const [name, { before = '', first }] of Object.entries(ways)) {
  test(`${name}: the next SIGTERM ends the daemon, with its exit listeners`, (t) => {
    const pidfile = `${scratch(t)}/pid`;
    const { status, signal, stdout, stderr } = runScript(
      `const { SignalFlag, becomeDaemon } = daemonkit;
      const me = process.pid;
      const say = (word) => process.pid === me && fs.writeSync(1, word + ' ');
      const kill = () => process.kill(process.pid, 'SIGTERM');
      // libuv hands a signal to its listeners by a pipe.
      const turns = async () => { for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve, 5)); };
      setInterval(() => {}, 1000);
      ${before}
      becomeDaemon({ detach: false, env: 'keep', pidfile: ${JSON.stringify(pidfile)} });
      process.on('exit', (code) => say('exit ' + code));
      ${first}
      await turns();
      say('alive');
      kill();
      await turns();
      say('without effect');
      process.exit(9);`,
    );
    assert.deepEqual([status, signal, stderr], [0, null, '']);
    assert.equal(stdout.replace('listener ', ''), 'alive exit 0 ');
    assert.equal(existsSync(pidfile), false);
  });
}

test('a flag that is open decides about each of them', () => {
  const { status, stdout } = runScript(
    `const flag = new daemonkit.SignalFlag('SIGTERM');
    const daemon = daemonkit.becomeDaemon({ detach: false, env: 'keep' });
    for (let i = 1; i <= 3; i++) {
      process.kill(process.pid, 'SIGTERM');
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    console.log(flag.view[1]);
    process.exit(7);`,
  );
  assert.deepEqual([status, stdout], [7, '3\n']);
});

/** Forks; what the parent has had ends no child whose flags are gone. `before` is run by the last hook. */
function childLives(program: string, before = ''): void {
  const { status, stdout, stderr } = runScript(
    `const kill = () => process.kill(process.pid, 'SIGTERM');
    let armed = false;
    // The last of all hooks before the fork, as it is the first one.
    daemonkit.atFork({ before: () => { if (armed) { ${before} } } });
    ${program}
    armed = true;
    const pid = daemonkit.fork();
    armed = false;
    if (pid === 0) {
      flag[Symbol.dispose]();
      setTimeout(() => daemonkit._exit(7), 200);
      await new Promise(() => {});
    }
    const { exitCode, signal } = await daemonkit.waitpidAsync(pid);
    console.log(exitCode, signal, flag.raised);
    process.exit(0);`,
  );
  assert.deepEqual([status, stdout, stderr], [0, '7 null true\n', '']);
}

const FLAG = "const flag = new daemonkit.SignalFlag('SIGTERM');";
const DAEMON = "daemonkit.becomeDaemon({ detach: false, env: 'keep' });";

test('what a flag had before a fork does not end the child when the flag is disposed there', () => {
  // Sent to the parent, which has not handled it yet.
  childLives(`${FLAG} ${DAEMON} kill();`);
});

for (const [name, program] of Object.entries({
  'a daemon': DAEMON,
  'a master': `const master = daemonkit.prefork({ workers: 1, onWorkerStart() {}, warmup: false });
    await master.ready;`,
})) {
  test(`what comes to ${name} that is about to fork does not end the child`, () => {
    childLives(`${program} ${FLAG}`, 'kill();');
  });
}

// Messages for mistakes: they name the mistake and the remedy.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Nest } from './tools/daemons.js';
import { needsRoot } from './tools/needs.js';
import { entry, linesOf } from './tools/script.js';

/** The messages of the errors that these expressions throw, in a separate process. */
function messages(expressions: readonly string[], before = ''): string[] {
  const tried = expressions.map(
    (expression) => `try { ${expression}; say('no error'); } catch (error) { say(error.message); }`,
  );
  const say = 'const say = (text) => console.log(JSON.stringify(text));';
  return linesOf<string>(`${say} ${before} ${tried.join('\n')}`);
}

function expectMessages(cases: Record<string, RegExp>, before?: string): void {
  const said = messages(Object.keys(cases), before);
  for (const [at, [expression, words]] of Object.entries(cases).entries()) {
    assert.match(said[at] ?? '', words, expression);
  }
}

test('wrong arguments: what would have been right', () => {
  expectMessages({
    "daemonkit.dropPrivileges({ user: 'root' })": /'options\.user' must not be root\. Received/,
    "daemonkit.getrlimit('RLIMIT_NOFILE')": /'resource' must be one of: .*\bNOFILE\b.*\. Received/,
    "new daemonkit.SignalFlag('TERM')": /is not the name of a signal: did you mean 'SIGTERM'\? Rec/,
    "daemonkit.ignoreSignals('sigusr1')": /did you mean 'SIGUSR1'\? Received 'sigusr1'/,
    "daemonkit.signalMask('block', 'SIGTREM')": /did you mean 'SIGTERM'\?/,
    "daemonkit.pidfdSendSignal(0, 'SIGNOPE')": /is not the name of a signal\. Received 'SIGNOPE'/,
    "daemonkit.ignoreSignals('SIGCHLD')":
      /SIGCHLD cannot be ignored: child_process needs it\. Received .SIGCHLD./,
    'daemonkit.prefork({})': /'options' must have server or onWorkerStart: give one of them/,
    'daemonkit.prefork({ onWorkerStart() {}, respawn: 1 })': /must be of type boolean or object/,
    "daemonkit.prefork({ onWorkerStart() {}, listen: '80' })":
      /must be of type object, number or Array/,
    "daemonkit.becomeDaemon({ detach: 'yes' })": /must be of type boolean or 'auto'\. Received/,
    'daemonkit.becomeDaemon({ watchdog: 1 })': /must be of type boolean or function\. Received/,
    "daemonkit.becomeDaemon({ env: 'clean' })": /must be 'keep' or of type object\. Received/,
    'daemonkit.becomeDaemon({ pidfil: 1 })': /is unknown: did you mean 'pidfile'\? Received 1/,
    'daemonkit.becomeDaemon({ zebra: 1 })': /'options\.zebra' is unknown\. Received 1/,
  });
});

test('what is not allowed: with what it would be', needsRoot, () => {
  const needs = (what: string) =>
    new RegExp(`operation not permitted, .* \\(needs root, or ${what}\\)$`);
  const user = { user: 'nobody', detach: false };
  expectMessages(
    {
      'daemonkit.setgroups([0])': needs('CAP_SETGID'),
      'daemonkit.setresgid(0, 0, 0)': needs('CAP_SETGID'),
      'daemonkit.setresuid(0, 0, 0)': needs('CAP_SETUID'),
      "daemonkit.chroot('/usr')": needs('CAP_SYS_CHROOT'),
      "daemonkit.dropPrivileges({ user: 'daemon' })": needs('CAP_SETGID'),
      [`daemonkit.becomeDaemon(${JSON.stringify({ ...user, user: 'daemon' })})`]: needs(
        'CAP_SETUID and CAP_SETGID',
      ),
    },
    "daemonkit.dropPrivileges({ user: 'nobody' });",
  );
});

test('an error of becomeDaemon() names its step in the message and in the stack', () => {
  expectMessages({
    "daemonkit.becomeDaemon({ cwd: '/nope' })":
      /^becomeDaemon: step chdir: ENOENT: no such file or directory, stat '\/nope'$/,
    "daemonkit.becomeDaemon({ user: 'nobody-at-all' })":
      /^becomeDaemon: step setgroups: ENOENT: no such user: nobody-at-all, getpwnam$/,
    "daemonkit.becomeDaemon({ detach: false, cwd: '/nope' })": /^becomeDaemon: step chdir: ENOENT/,
    "try { daemonkit.becomeDaemon({ cwd: '/nope' }) } catch (e) { throw new Error(e.stack) }":
      /^Error: becomeDaemon: step chdir: ENOENT: .*\n +at /,
    // The script's own error.
    "daemonkit.becomeDaemon({ detach: false, privileged() { throw new Error('mine') } })": /^mine$/,
  });
});

test('a plan that cannot be told says what is not known, and why', () => {
  const [words] = linesOf<string>(`
    const steps = daemonkit.planDaemon({ user: 'nobody-at-all' });
    const { description } = steps.find(({ step }) => step === 'setgroups');
    console.log(JSON.stringify(description));`);
  assert.equal(words, 'setgroups (group list unknown: no such user: nobody-at-all)');
});

test('a script that is started again: why, and which port it cannot have twice', async (t) => {
  const nest = new Nest(t);
  const file = join(nest.directory, 'app.mjs');
  writeFileSync(
    file,
    `import { becomeDaemon, planDaemon } from ${JSON.stringify(entry)};
    import { once } from 'node:events';
    import { createServer } from 'node:net';
    import { Worker } from 'node:worker_threads';
    new Worker('setInterval(() => {}, 1000)', { eval: true });
    const server = createServer().listen(process.env.PORT ?? 0, '127.0.0.1');
    await once(server, 'listening');
    process.env.PORT = server.address().port;
    console.log('port ' + process.env.PORT);
    console.log(planDaemon()[0].description);
    becomeDaemon({});`,
  );
  const { code, stdout, stderr, port } = await nest.run([process.execPath, file]);
  assert.equal(code, 1);
  assert.match(
    stdout,
    /strategy reexec, because there is no live fork: Worker threads are running/,
  );
  assert.match(stderr, /EADDRINUSE/);
  const why = 'no live fork: Worker threads are running.*';
  const again = `the script was started again \\(${why}\\), but had not called becomeDaemon\\(\\) yet`;
  const place = `the launcher listens on port ${port}, where a second run cannot: listen after`;
  assert.match(stderr, new RegExp(`before it was ready; ${again}; ${place}`));
  assert.deepEqual(nest.processes(), []);
});

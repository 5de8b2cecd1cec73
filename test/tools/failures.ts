// What failed, out of what another runner has printed: a log's middle may be cut, and its end is what is read.

/** How many characters are printed of one case, and of all. */
const CASE = 3000;
const ALL = 12_000;

export const cut = (text: string, most: number) =>
  text.length <= most ? text : `${text.slice(0, most)}\n[${text.length - most} characters more]`;

/** The end of a text, which contains the cause of a program's end. */
export function tail(text: string, most = 4000): string {
  if (text.length <= most) return text;
  return `[${text.length - most} characters before]\n${text.slice(-most)}`;
}

/** The indented block after a line of TAP, without what the reader of a failure has no use for. */
function blockAfter(lines: string[], at: number, indent: string): string {
  if (lines[at]?.trim() !== '---') return '';
  const end = lines.findIndex((line, i) => i > at && line === `${indent}  ...`);
  return lines
    .slice(at + 1, end < 0 ? undefined : end)
    .map((line) => line.slice(indent.length))
    .filter((line) => !/^ {2}(duration_ms|type|name|operator|expected|actual): /.test(line))
    .join('\n');
}

/** The failed cases of a TAP stream, each with its parents' titles and its error. */
export function failedCases(tap: string): string[] {
  const lines = tap.split('\n');
  const parents: string[] = [];
  const failed: string[] = [];
  for (const [at, line] of lines.entries()) {
    const [, indent = '', ok, title = ''] =
      /^( *)(# Subtest: |not ok \d+ - )(.*)$/.exec(line) ?? [];
    if (ok === undefined) continue;
    const depth = indent.length / 4;
    parents.length = Math.min(parents.length, depth);
    parents[depth] = title;
    if (ok.startsWith('#') || /# (TODO|SKIP)\b/.test(title)) continue;
    const block = blockAfter(lines, at + 1, indent);
    // Its subtests are reported separately.
    if (/^ {2}failureType: '?subtestsFailed/m.test(block)) continue;
    failed.push(cut(`${parents.filter(Boolean).join(' › ')}\n${block}`, CASE));
  }
  return failed;
}

/** For a failure's message: the failed cases of what a runner has printed; its end, where there are none. */
export function whatFailed(printed: string): string {
  const failed = failedCases(printed);
  return failed.length > 0 ? cut(failed.join('\n'), ALL) : tail(printed);
}

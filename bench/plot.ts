// The pictures of docs/benchmarks.md: lines in SVG, readable on white and on black.

/** A line, of points with x ascending. */
export interface Line {
  name: string;
  points: readonly (readonly [x: number, y: number])[];
}

interface Plot {
  title: string;
  x: string;
  y: string;
  lines: readonly Line[];
  /** Logarithmic scale for both axes. */
  logarithmic?: boolean;
}

const [WIDTH, HEIGHT] = [640, 360];
const FRAME = { left: 64, right: 624, top: 40, bottom: 308 };

/** The reader's colour scheme applies, even if the page shows the file as an image. */
const STYLE = `
  text { font: 12px sans-serif; fill: #333 }
  .title { font-size: 14px; font-weight: bold }
  .grid { stroke: #ccc }
  .s0 { stroke: #0b62c4; fill: #0b62c4 } .s1 { stroke: #c2510c; fill: #c2510c } .s2 { stroke: #4a8a1d; fill: #4a8a1d }
  polyline.s0, polyline.s1, polyline.s2 { fill: none; stroke-width: 2 }
  text.s0, text.s1, text.s2 { stroke: none }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd }
    .grid { stroke: #444 }
    .s0 { stroke: #6cb0ff; fill: #6cb0ff } .s1 { stroke: #ff9c5a; fill: #ff9c5a } .s2 { stroke: #8fd05c; fill: #8fd05c }
  }`;

/** Round numbers from below the minimum to above the maximum. */
function ticks(values: number[], logarithmic: boolean): number[] {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  if (logarithmic) {
    const powers = [];
    for (let at = 10 ** Math.floor(Math.log10(least)); at < 10 * most; at *= 10) powers.push(at);
    return powers;
  }
  const step = [1, 2, 5, 10].map((k) => k * 10 ** Math.floor(Math.log10(most / 5)));
  const by = step.find((size) => most / size <= 6) ?? most;
  return Array.from({ length: Math.ceil(most / by) + 1 }, (_, i) => i * by);
}

const place = (value: number, [from, to]: number[], logarithmic: boolean): number => {
  const at = logarithmic ? Math.log10 : Number;
  return (at(value) - at(from as number)) / (at(to as number) - at(from as number));
};

const ends = (of: number[]) => [of[0] as number, of.at(-1) as number];

/** Draws the lines; the x axis shows the measured values. */
export function plot({ title, x, y, lines, logarithmic = false }: Plot): string {
  const { left, right, top, bottom } = FRAME;
  const all = lines.flatMap(({ points }) => points);
  const xs = [...new Set(all.map(([value]) => value))].sort((a, b) => a - b);
  const ys = ticks(
    all.map(([, value]) => value),
    logarithmic,
  );
  const toX = (value: number) =>
    Math.round(left + 16 + (right - left - 32) * place(value, ends(xs), logarithmic));
  const toY = (value: number) =>
    Math.round(bottom - (bottom - top) * place(value, ends(ys), logarithmic));
  const grid = ys.map(
    (value) =>
      `<path class="grid" d="M${left} ${toY(value)}H${right}"/><text x="${left - 8}" y="${toY(value) + 4}" text-anchor="end">${Number(value.toPrecision(3))}</text>`,
  );
  const names = xs.map(
    (value) => `<text x="${toX(value)}" y="${bottom + 18}" text-anchor="middle">${value}</text>`,
  );
  const curves = lines.map(({ name, points }, i) => {
    const at = points.map(([px, py]) => `${toX(px)},${toY(py)}`);
    const dots = at.map((point) => {
      const [cx, cy] = point.split(',');
      return `<circle class="s${i}" cx="${cx}" cy="${cy}" r="3"/>`;
    });
    const legend = `<text class="s${i}" x="${left + 16}" y="${top + 16 + 18 * i}">${name}</text>`;
    return `<polyline class="s${i}" points="${at.join(' ')}"/>${dots.join('')}${legend}`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}">
<style>${STYLE}
</style>
<text class="title" x="${left}" y="20">${title}</text>
${grid.join('\n')}
${names.join('\n')}
<text x="${(left + right) / 2}" y="${bottom + 40}" text-anchor="middle">${x}</text>
<text transform="translate(16 ${(top + bottom) / 2}) rotate(-90)" text-anchor="middle">${y}</text>
${curves.join('\n')}
</svg>
`;
}

/** The JSON of bench/fork.ts. */
export interface ForkResult {
  rows: { heap: number; ways: Record<string, { pause: number }> }[];
}

/** How long the parent is blocked, by the size of its heap. */
export function pausePlot({ rows }: ForkResult): string {
  const line = (way: string): Line => {
    return { name: way, points: rows.map(({ heap, ways }) => [heap, ways[way]?.pause ?? NaN]) };
  };
  return plot({
    title: 'How long the parent stands still',
    x: 'heap of the parent, MB',
    y: 'ms',
    lines: [line('fork()'), line('raw clone(2), same process')],
    logarithmic: true,
  });
}

/** The JSON of bench/memory.ts. */
export interface MemoryResult {
  rows: { workers: number; prefork: { total: number }; cluster: { total: number } }[];
}

/** The memory of all processes, by the number of workers. */
export function memoryPlot({ rows }: MemoryResult): string {
  const line = (way: 'prefork' | 'cluster', name: string): Line => {
    return { name, points: rows.map((row) => [row.workers, row[way].total]) };
  };
  return plot({
    title: 'Memory of master and workers, 100 MB of objects',
    x: 'workers',
    y: 'MB (Pss)',
    lines: [line('prefork', 'prefork()'), line('cluster', 'node:cluster')],
  });
}

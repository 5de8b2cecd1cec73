// The picture of bench/fork.ts, as a program for gnuplot.

/** What bench/fork.ts prints as JSON. */
export interface ForkResult {
  node: string;
  rows: { heap: number; ways: Record<string, { first: number; pause: number }> }[];
}

/** A named block of data: a line for each size of the heap. */
function block(result: ForkResult, way: string, index: number): string {
  const lines = result.rows.map(({ heap, ways }) => {
    const cost = ways[way];
    return `${heap} ${cost?.first ?? 'NaN'} ${cost?.pause ?? 'NaN'}`;
  });
  return [`$way${index} << END`, ...lines, 'END'].join('\n');
}

function panel(title: string, ways: string[], column: number): string {
  const curves = ways.map((way, i) => {
    const width = i === 0 ? 3 : 1.5;
    return `$way${i} using 1:${column} with linespoints lw ${width} pt 7 ps 0.5 title "${way}"`;
  });
  return `set title "${title}"\nplot ${curves.join(', \\\n  ')}`;
}

/** Draws into the file that the variable `out` names. */
export function forkPlot(result: ForkResult): string {
  const ways = Object.keys(result.rows[0]?.ways ?? {});
  return [
    ...ways.map((way, i) => block(result, way, i)),
    'set terminal svg noenhanced size 1000,480 background rgb "white" font "sans,11"',
    'set output out',
    'set multiplot layout 1,2',
    'set logscale xy',
    'set xtics (5, 50, 200, 1000)',
    'set xrange [4:1300]',
    'set xlabel "heap of the parent, MB"',
    `set ylabel "ms (Node ${result.node})"`,
    'set grid ytics',
    'set key bottom right font ",8"',
    panel('From the call to the first statement of the child', ways, 2),
    panel('How long the parent stands still', ways, 3),
    'unset multiplot',
    '',
  ].join('\n');
}

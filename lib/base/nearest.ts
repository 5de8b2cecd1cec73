// Finds the word that was probably meant by an unknown one.

/** How many single characters must be inserted, removed, changed or swapped with the next. */
function distance(from: string, to: string): number {
  let [before, row]: [number[], number[]] = [
    [],
    Array.from({ length: to.length + 1 }, (_, i) => i),
  ];
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1] ? 0 : 1;
      const swapped = from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      const costs = [(row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + same];
      next.push(Math.min(...costs, swapped && i > 1 && j > 1 ? (before[j - 2] ?? 0) + 1 : i + j));
    }
    [before, row] = [row, next];
  }
  return row[to.length] ?? 0;
}

const letters = (word: string) => word.toLowerCase().replace(/[^a-z0-9]/g, '');

/**
 * The word of a list that is most similar to `word`, by its letters and digits.
 *
 * @returns undefined if none is similar: more than a third of the characters would have to change.
 */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  const meant = letters(word);
  let [best, least]: [string | undefined, number] = [undefined, Math.max(1, meant.length / 3)];
  for (const one of known) {
    const changes = distance(meant, letters(one));
    if (changes > least || (changes === least && best !== undefined)) continue;
    [best, least] = [one, changes];
  }
  return meant === '' ? undefined : best;
}

/** The same, as the end of a message; empty if there is none. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const meant = nearest(word, known);
  return meant === undefined ? '' : `: did you mean '${meant}'?`;
}

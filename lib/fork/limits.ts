// What will not be as it should in a child of fork(), and is no reason against one.

/** Options of Node that have it write a file whose name was made when it started. */
const ONE_FILE: readonly (readonly [option: RegExp, words: string])[] = [];

/** The options that Node was started with, in the environment too. */
function nodeOptions(): string[] {
  return [...process.execArgv, ...(process.env.NODE_OPTIONS ?? '').split(/\s+/)];
}

export function forkLimits(): string[] {
  const given = nodeOptions();
  return ONE_FILE.filter(([option]) => given.some((one) => option.test(one))).map(
    ([, words]) => words,
  );
}

// The command line of a script of npm's.

/** What it asks for. Where it cannot be read: says why, and how it is used, and ends the script. */
export function optionsOf<T>(parse: () => T, usage: string): T {
  try {
    return parse();
  } catch (error) {
    console.error(`${(error as Error).message}\nusage: ${usage}`);
    process.exit(100);
  }
}

#!/usr/bin/env node
// The entry of the command. It handles what works without the addon, which may be missing.
import { readFileSync } from 'node:fs';
import { noNode, noSystem } from '../addon/host.js';
import { helpText } from './help.js';

const args = process.argv.slice(2);

function version(): string {
  const file = new URL('../../../package.json', import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')).version;
}

/** Prints the message of lib/addon/binary.ts without its stack, which shows only our own code. */
function withoutAddon(error: unknown): void {
  const { code, message } = error as NodeJS.ErrnoException;
  if (!['MODULE_NOT_FOUND', 'ERR_DLOPEN_FAILED'].includes(code ?? '')) throw error;
  console.error(`daemonkit: ${message}`);
  process.exitCode = 111;
}

if (args[0] === '--version') console.log(version());
else if (args[0] === '--help') console.log(helpText());
else if (noNode !== undefined) {
  console.error(noSystem ?? `daemonkit: ${noNode}`);
  process.exitCode = 111;
} else {
  const main = await import('./main.js').catch(withoutAddon);
  await main?.main(args);
}

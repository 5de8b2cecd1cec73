// What the addon may ask of the process that loads it: N-API and libuv. A library of these names
// stands in for node when a link is proved complete.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { nodeHeaders } from './headers.mjs';

const nodeApi = createRequire(import.meta.url)('node-api-headers');

export const nodeApiHeaders = nodeApi.include_dir;

/** The functions of N-API up to a version, and those that libuv's header declares. */
function names(version) {
  const { js_native_api_symbols, node_api_symbols } = nodeApi.symbols[`v${version}`];
  const header = readFileSync(join(nodeHeaders(), 'uv.h'), 'utf8');
  const uv = [...header.matchAll(/^UV_EXTERN[^;(]*?\b(uv_\w+)\(/gm)].map(([, name]) => name);
  if (uv.length === 0) throw new Error('no UV_EXTERN function in uv.h');
  return new Set([...js_native_api_symbols, ...node_api_symbols, ...uv]);
}

/** C source of a library that has them all, and what FreeBSD's crt1 puts into every executable. */
export function standIn(version) {
  const functions = [...names(version)].map((name) => `void ${name}(void) {}\n`);
  return [...functions, 'char** environ;\n'].join('');
}

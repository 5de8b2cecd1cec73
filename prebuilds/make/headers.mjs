// Where the headers of Node and of N-API lie on this machine, for what is compiled without node-gyp.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

const require = createRequire(import.meta.url);

/**
 * Node's headers (node_api.h, uv.h), from where node-gyp would take them: told, installed beside
 * node, downloaded. uv.h of one platform brings those of all: its structures are chosen by macros.
 */
export function nodeHeaders() {
  const told = [process.env.npm_config_nodedir, process.config.variables.nodedir].filter(Boolean);
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
  const candidates = [
    ...told,
    dirname(dirname(process.execPath)),
    '/usr',
    '/usr/local',
    join(cache, 'node-gyp', process.versions.node),
  ].map((base) => join(base, 'include', 'node'));
  const complete = (folder) => ['node_api.h', 'uv.h'].every((h) => existsSync(join(folder, h)));
  const found = candidates.find(complete);
  if (found === undefined) {
    throw new Error(`no node_api.h and uv.h in any of:\n  ${candidates.join('\n  ')}`);
  }
  return found;
}

/** The folder of napi.h. */
export function nodeAddonApi() {
  return dirname(require.resolve('node-addon-api/package.json'));
}

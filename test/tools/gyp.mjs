// node test/tools/gyp.mjs ARGUMENTS...: node-gyp, with the headers that the running Node came with, where
// it came with some. Otherwise node-gyp fetches them.
import { spawnSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const prefix = dirname(dirname(realpathSync(process.execPath)));
const own = existsSync(join(prefix, 'include/node/node_api.h')) ? [`--nodedir=${prefix}`] : [];
const nodeGyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
const [command, ...rest] = process.argv.slice(2);
const { status } = spawnSync(process.execPath, [nodeGyp, command, ...rest, ...own], {
  stdio: 'inherit',
});
process.exitCode = status ?? 1;

// Node 22 and later read NODE_EXTRA_CA_CERTS on a separate thread while the program starts.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { rootCertificates } from 'node:tls';
import { often } from './tools/full.js';
import { succeeds } from './tools/run.js';

test('extra certificates that are being read during the fork are read whole by both', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'daemonkit-'));
  try {
    const bundle = join(folder, 'bundle.pem');
    writeFileSync(bundle, `${rootCertificates.join('\n')}\n`);
    // One run in four meets the reading half-way; Node warns on stderr of what it cannot parse.
    const env = { NODE_EXTRA_CA_CERTS: bundle };
    const runs = Number.parseInt(process.versions.node, 10) >= 22 ? often(20, 10) : 2;
    for (let i = 0; i < runs; i++) await succeeds('can.js', ['eventLoopOrder'], { env });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

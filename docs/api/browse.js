// Looks at the API site in a real browser: every page without an error in the console, every link with something at its
// end, and pictures of some pages in dist/screenshots, light and dark. `npm run api && npm run api:browse`; needs Debian's
// chromium, or the path of another one in CHROMIUM.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));
const site = join(dist, 'api');
const TYPES = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};
const SHOWN = [
  'index.html',
  'functions/daemonkit.fork.html',
  'interfaces/daemonkit.DaemonOptions.html',
  'documents/prefork.html',
];

const pages = readdirSync(site, { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('.html'),
);
const faults = [];

const server = createServer((request, response) => {
  const name = decodeURIComponent(new URL(request.url, 'http://x').pathname).slice(1);
  try {
    const body = readFileSync(join(site, name));
    response.writeHead(200, { 'content-type': TYPES[extname(name)] ?? 'application/octet-stream' });
    response.end(body);
  } catch {
    // What a browser asks of every site is no link of ours.
    const asked = name === 'favicon.ico';
    if (!asked) faults.push(`${name}: not found, from ${request.headers.referer}`);
    response.writeHead(asked ? 204 : 404).end();
  }
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const home = `http://127.0.0.1:${server.address().port}/`;

const profile = mkdtempSync(join(tmpdir(), 'daemonkit-browser-'));
const flags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'];
const browser = spawn(
  process.env.CHROMIUM ?? 'chromium',
  [...flags, `--user-data-dir=${profile}`, '--window-size=1280,900', '--remote-debugging-pipe'],
  { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] },
);
await once(browser, 'spawn');

// The DevTools protocol: JSON with a null byte behind it, in by 3 and out by 4.
let number = 0;
const waiting = new Map();
const listeners = new Set();
let rest = '';
browser.stdio[4].setEncoding('utf8').on('data', (text) => {
  const messages = (rest + text).split('\0');
  rest = messages.pop();
  for (const message of messages.map((one) => JSON.parse(one))) {
    if (message.id === undefined) for (const listener of listeners) listener(message);
    else waiting.get(message.id)(message);
  }
});

async function call(method, params = {}, sessionId = session) {
  const id = ++number;
  const answered = new Promise((resolve) => waiting.set(id, resolve));
  browser.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
  const { result, error } = await answered;
  waiting.delete(id);
  if (error) throw new Error(`${method}: ${error.message}`);
  return result;
}

let session;
const { targetId } = await call('Target.createTarget', { url: 'about:blank' });
session = (await call('Target.attachToTarget', { targetId, flatten: true })).sessionId;
for (const domain of ['Page', 'Runtime', 'Log']) await call(`${domain}.enable`);

let page = '';
let loaded = () => {};
listeners.add(({ method, params }) => {
  if (method === 'Page.loadEventFired') loaded();
  const { exceptionDetails, entry, type, args } = params;
  if (method === 'Runtime.exceptionThrown') faults.push(`${page}: ${exceptionDetails.text}`);
  if (method === 'Log.entryAdded' && entry.level === 'error') faults.push(`${page}: ${entry.text}`);
  if (method === 'Runtime.consoleAPICalled' && type === 'error') {
    faults.push(`${page}: ${args.map(({ value }) => value).join(' ')}`);
  }
});

async function visit(name) {
  page = name;
  const done = new Promise((resolve) => {
    loaded = resolve;
  });
  await call('Page.navigate', { url: home + name });
  await done;
}

async function evaluate(expression) {
  return (await call('Runtime.evaluate', { expression, returnByValue: true })).result.value;
}

const ids = new Map();
const links = [];
for (const name of pages) {
  await visit(name);
  const [found, hrefs] = await evaluate(`[
    [...document.querySelectorAll('[id]')].map(({ id }) => id),
    [...document.querySelectorAll('a[href]')].map(({ href }) => href)]`);
  ids.set(name, new Set(found));
  for (const href of new Set(hrefs)) links.push([name, href]);
}
for (const [from, href] of links) {
  if (!href.startsWith(home)) continue;
  const [path, anchor] = href.slice(home.length).split('#');
  const name = decodeURIComponent(path.split('?')[0]) || 'index.html';
  if (!ids.has(name)) faults.push(`${from}: ${href.slice(home.length)} leads nowhere`);
  else if (anchor && !ids.get(name).has(decodeURIComponent(anchor))) {
    faults.push(`${from}: ${href.slice(home.length)}: there is no such place`);
  }
}

mkdirSync(join(dist, 'screenshots'), { recursive: true });
for (const scheme of ['light', 'dark']) {
  const features = [{ name: 'prefers-color-scheme', value: scheme }];
  await call('Emulation.setEmulatedMedia', { features });
  for (const name of SHOWN) {
    await visit(name);
    const { data } = await call('Page.captureScreenshot', { format: 'png' });
    const file = `${name.replace(/.*\//, '').replace('.html', '')}-${scheme}.png`;
    writeFileSync(join(dist, 'screenshots', file), Buffer.from(data, 'base64'));
  }
}

await call('Browser.close', {}, null).catch(() => {});
browser.kill();
if (browser.exitCode === null && browser.signalCode === null) await once(browser, 'exit');
server.close();
// Its helpers may write for a moment more.
for (let tries = 0; tries < 50; tries++) {
  try {
    rmSync(profile, { recursive: true, force: true });
    break;
  } catch {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
for (const fault of new Set(faults)) console.error(`api: ${fault}`);
console.log(`api: ${pages.length} pages, ${links.length} links, ${new Set(faults).size} faults`);
process.exitCode = faults.length > 0 ? 1 : 0;

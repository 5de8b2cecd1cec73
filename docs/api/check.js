// Reads what typedoc made of lib/index.ts and tells which documentation is missing: every function has
// to say what it does, its parameters, what it returns and throws, and its source.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const file = fileURLToPath(new URL('../../dist/api.json', import.meta.url));
const api = JSON.parse(readFileSync(file, 'utf8'));

/** ReflectionKind of typedoc's JSON. */
const KIND = { class: 128, interface: 256, property: 1024, method: 2048, accessor: 262144 };

const missing = [];

const words = (parts = []) => parts.map((part) => part.text).join('');
const whole = ({ summary, blockTags = [] }) =>
  [words(summary), ...blockTags.map((tag) => words(tag.content))].join('\n');

function need(where, comment, conditions) {
  if (!comment || words(comment.summary).trim() === '') missing.push(`${where}: what it does`);
  for (const [what, there] of Object.entries(conditions)) {
    if (!there) missing.push(`${where}: ${what}`);
  }
}

function checkCall(where, signature, isPublicCall) {
  const { comment, parameters = [], type } = signature;
  const has = (tag) => comment?.blockTags?.some((block) => block.tag === tag) ?? false;
  const nothing = type?.type === 'intrinsic' && ['void', 'never'].includes(type.name);
  const documented = (p) => p.comment !== undefined && words(p.comment.summary).trim() !== '';
  need(where, comment, {
    ...Object.fromEntries(parameters.map((p) => [`@param ${p.name}`, documented(p)])),
    '@returns': nothing || !isPublicCall || has('@returns'),
    '@throws': !isPublicCall || has('@throws'),
    'its source (man page, POSIX)': !isPublicCall || /Source:/.test(whole(comment ?? {})),
  });
}

/** Members that JavaScript itself defines say nothing new. */
const isConventional = ({ name }) => name.startsWith('[') && name !== '[constructor]';

function checkMember(owner, member) {
  const where = `${owner.name}.${member.name}`;
  if (member.inheritedFrom || isConventional(member)) return;
  if (member.kind === KIND.property) need(where, member.comment, {});
  if (member.kind === KIND.accessor) need(where, member.getSignature?.comment, {});
  if (member.kind === KIND.method) {
    for (const signature of member.signatures) checkCall(where, signature, false);
  }
}

// The one module, beside the documents.
const entries = api.children[0].children;
for (const entry of entries) {
  for (const signature of entry.signatures ?? []) checkCall(entry.name, signature, true);
  if (entry.kind === KIND.class || entry.kind === KIND.interface) {
    need(entry.name, entry.comment, {});
    for (const member of entry.children ?? []) checkMember(entry, member);
  }
}

for (const line of missing) console.error(`api: missing: ${line}`);
console.log(`api: ${entries.length} public names, ${missing.length} gaps`);
process.exitCode = missing.length > 0 || entries.length < 100 ? 1 : 0;

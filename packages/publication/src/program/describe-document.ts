// What is about to be signed, in words that a person can check without a computer's help.
import { readDocument } from '../make/documents.ts';
import { parseDocument, type RoleJson, type RootJson, type SignedJson, type TargetsJson } from '../metadata.ts';

const SHOWN_DIGITS = 16;

const ROLE_SENTENCES: Readonly<Record<string, string>> = {
  root: 'may name the keys of all others here',
  targets: 'may say who signs releases, the network and partners',
  snapshot: 'says which versions belong together',
  timestamp: 'says what is newest',
  releases: 'signs the programs that people run',
  network: 'signs server entries and tactics',
};

const KNOWN_MEMBERS: ReadonlySet<string> = new Set([
  ...['_type', 'spec_version', 'version', 'issued', 'expires', 'consistent_snapshot'],
  ...['keys', 'roles', 'targets', 'delegations', 'meta'],
]);

/** The first digits of an id, as they are read aloud. */
export function shortId(id: string): string {
  return id.slice(0, SHOWN_DIGITS).replace(/(....)(?=.)/g, '$1 ');
}

/** What a document says, a line for each thing. `before` is the one that it takes the place of. Throws a `PublicationError` (`malformed`). */
export function describeDocument(bytes: Buffer, before?: Buffer): string[] {
  const { signed, signatures } = parseDocument(bytes);
  const head = [
    `${titleOf(signed)}, version ${signed.version}.`,
    `Made on ${signed.issued ?? 'an unknown day'}; valid until ${signed.expires}.`,
  ];
  const signers =
    signatures.length === 0
      ? ['Nobody has signed it yet.']
      : signatures.map(({ keyid }) => `Signed by ${shortId(keyid)}.`);
  const changes = before === undefined ? [] : changesOf(before, bytes);
  return [...head, ...bodyOf(bytes, signed), ...othersOf(signed), ...changes, ...signers].map(printable);
}

/** What has been put there to deceive a person must not reach the terminal: escapes, text that runs backwards, lines of its own. */
function printable(line: string): string {
  return line.replace(/[^ -~]/gu, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}

/** Members that this program does not know are signed as well. */
function othersOf(signed: SignedJson): string[] {
  const others = Object.entries(signed).filter(([name]) => !KNOWN_MEMBERS.has(name));
  return others.map(([name, value]) => `It also says "${name}": ${JSON.stringify(value)}.`);
}

function titleOf({ _type: type }: SignedJson): string {
  if (type === 'root') return 'The root of the publication: it says whose signatures count';
  if (type === 'targets') return 'A list of what is published, or of who may publish';
  return `A ${type}, which the publishing machine signs by itself: nobody should ask you to`;
}

function bodyOf(bytes: Buffer, signed: SignedJson): string[] {
  if (signed._type === 'root') {
    const { roles } = readDocument<RootJson>(bytes, 'root').signed;
    return Object.entries(roles).flatMap(([role, one]) => describeRole(role, one));
  }
  if (signed._type !== 'targets') return [];
  const { targets, delegations } = readDocument<TargetsJson>(bytes, 'targets').signed;
  const files = Object.entries(targets).map(
    ([path, { length, hashes, custom }]) =>
      `File ${path}, ${length} bytes, SHA-256 ${hashes.sha256}${custom === undefined ? '' : `, ${JSON.stringify(custom)}`}.`,
  );
  const roles = (delegations?.roles ?? []).flatMap((role) => [
    ...describeRole(role.name, role),
    `    for ${role.paths.join(', ')}`,
  ]);
  return [...(files.length === 0 && roles.length === 0 ? ['No files.'] : files), ...roles];
}

function describeRole(role: string, { keyids, threshold }: RoleJson): string[] {
  const meaning = ROLE_SENTENCES[role] ?? 'signs what a partner publishes';
  return [
    `${role} ${meaning}: ${threshold} of ${keyids.length} ${keyids.length === 1 ? 'key' : 'keys'}`,
    ...keyids.map((id) => `    ${shortId(id)}`),
  ];
}

function changesOf(before: Buffer, after: Buffer): string[] {
  const [old, next] = [factsOf(before), factsOf(after)];
  const gone = [...old].filter((fact) => !next.has(fact)).map((fact) => `  no more: ${fact}`);
  const come = [...next].filter((fact) => !old.has(fact)).map((fact) => `  new: ${fact}`);
  const changes = [...gone, ...come];
  return changes.length === 0
    ? ['But for its dates it says what the one before says.']
    : ['Against the one before:', ...changes];
}

function factsOf(bytes: Buffer): Set<string> {
  const { signed } = parseDocument(bytes);
  const roleFacts = (role: string, { keyids, threshold }: RoleJson) => [
    `${role} takes ${threshold} signatures`,
    ...keyids.map((id) => `${role} has the key ${shortId(id)}`),
  ];
  if (signed._type === 'root') {
    const { roles } = readDocument<RootJson>(bytes, 'root').signed;
    return new Set(Object.entries(roles).flatMap(([role, one]) => roleFacts(role, one)));
  }
  const { targets, delegations } = readDocument<TargetsJson>(bytes, 'targets').signed;
  const files = Object.entries(targets).map(([path, { hashes }]) => `${path} with SHA-256 ${hashes.sha256}`);
  return new Set([...files, ...(delegations?.roles ?? []).flatMap((role) => roleFacts(role.name, role))]);
}

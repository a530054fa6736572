import { createHash, createPrivateKey, sign } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import {
  parseServerEntry,
  type ServerEntryFields,
  signServerEntry,
} from '../../../packages/protocol/src/server-entry.ts';
import {
  formatShareLink,
  formatShareLinkCapitals,
  parseEntryText,
  parseShareLink,
} from '../../../packages/protocol/src/share-link.ts';
import { type FuzzTarget, holds } from '../target.ts';
import { JSON_TRAPS, words } from '../words.ts';

const allowedErrors = ['ProtocolError'];
const PRIVATE_KEY = Buffer.alloc(32, 8);
const SIGNING_KEY = createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), PRIVATE_KEY]),
  format: 'der',
  type: 'pkcs8',
});

const FIELDS: ServerEntryFields = {
  key: Buffer.alloc(32, 1),
  secret: Buffer.alloc(32, 2),
  channel: 'main',
  region: 'NL',
  issuedMs: Date.UTC(2026, 0, 1),
  expiresMs: Date.UTC(2026, 6, 1),
  transports: [
    { transport: 'opaque', addresses: ['203.0.113.7:443', '[2001:db8::7]:443', 'relay.example:80'], params: {} },
  ],
};
const ENTRY = signServerEntry(FIELDS, PRIVATE_KEY);
const PAYLOAD = ENTRY.subarray(73);
const SIGNER = parseServerEntry(ENTRY).entry.signer;

/** The input as the payload of an entry with a good signature. */
function readSigned(input: Buffer): string {
  const head = Buffer.concat([Buffer.of(1), createHash('sha256').update(SIGNER).digest().subarray(0, 8)]);
  const signed = Buffer.concat([Buffer.from('rozan server entry\0', 'latin1'), head, input]);
  const { entry } = parseServerEntry(Buffer.concat([head, sign(null, signed, SIGNING_KEY), input]));
  const again = parseServerEntry(signServerEntry(entry, PRIVATE_KEY)).entry;
  holds(
    isDeepStrictEqual(JSON.parse(JSON.stringify(again)), JSON.parse(JSON.stringify(entry))),
    'an entry does not survive being written',
  );
  return `entry ${entry.transports.length} ${entry.channel !== undefined} ${entry.region !== undefined}`;
}

function readRaw(input: Buffer): string {
  parseServerEntry(input, { nowMs: FIELDS.issuedMs });
  holds(input.equals(ENTRY), 'a forged entry was taken');
  return 'entry';
}

function readLink(input: Buffer): string {
  const bytes = parseShareLink(input.toString('utf8'));
  holds(parseShareLink(formatShareLink(bytes)).equals(bytes), 'a link does not survive being written');
  holds(
    parseShareLink(formatShareLinkCapitals(bytes)).equals(bytes),
    'a link in capitals does not survive being written',
  );
  return 'link';
}

function readText(input: Buffer): string {
  const entries = parseEntryText(input.toString('utf8'));
  const again = parseEntryText(entries.map((bytes) => `${formatShareLink(bytes)}\n`).join('\n'));
  holds(isDeepStrictEqual(again, entries), 'a list of links does not survive being written');
  return `links ${Math.min(entries.length, 4)}`;
}

const JSON_WORDS = [...words('"transports":', '"params":{}', '"addresses":[', '"issued":'), ...JSON_TRAPS];
const LINK_WORDS = words('rozan://', 'ROZAN://Q/', '\n', '\r\n', '# ', '\u200b', '\ufeff', '\u00ab', '<', '>', '"');
const LINK = formatShareLink(ENTRY);
const SHORT = Buffer.alloc(80, 4);

export const ENTRY_TARGETS: readonly FuzzTarget[] = [
  { name: 'server-entry', run: readSigned, seeds: [PAYLOAD], maxBytes: 4200, dictionary: JSON_WORDS, allowedErrors },
  { name: 'server-entry-forged', run: readRaw, seeds: [ENTRY], maxBytes: 4200, dictionary: JSON_WORDS, allowedErrors },
  {
    name: 'share-link',
    run: readLink,
    seeds: words(
      LINK,
      formatShareLink(SHORT),
      formatShareLinkCapitals(SHORT),
      `\u00ab${formatShareLink(SHORT)}\u00bb.`,
    ),
    maxBytes: 20_000,
    dictionary: LINK_WORDS,
    allowedErrors,
  },
  {
    name: 'entry-text',
    run: readText,
    seeds: words(
      `# two\n${formatShareLink(SHORT)}\n\n${formatShareLinkCapitals(SHORT)}\n`,
      `${LINK.slice(0, 60)}\n${LINK.slice(60)}\n`,
    ),
    maxBytes: 70_000,
    dictionary: LINK_WORDS,
    allowedErrors,
  },
];

// Brand files: all that a client needs to start (docs/spec/brand.md).
import {
  decodeBase64url,
  encodeBase64url,
  JsonFields,
  ProtocolError,
  parseServerEntry,
  parseShareLink,
} from '@rozan/protocol';
import { PublicationError } from '../errors.ts';
import { type PublicKey, publicKeyOf } from '../keys.ts';
import { MAX_BRAND_BYTES, MAX_BRAND_ENTRIES, MAX_MIRRORS, MAX_ROOT_BYTES } from '../limits.ts';
import { readDocument } from '../make/documents.ts';
import type { RootJson } from '../metadata.ts';

const WHAT = 'brand';
const VERSION = 1;
const KEY_BYTES = 32;
const MAX_TACTICS_KEYS = 8;
const MAX_HOMES = 260;
const MAX_PARTNERS = 64;
const MAX_RECIPIENTS = 16;
const MAX_URL_CHARS = 1024;

const NAME = /^[^\p{C}]{1,64}$/u;
const CHANNEL = /^[A-Za-z0-9_-]{1,32}$/;
/** `*` is everywhere else. */
const COUNTRY = /^(?:\*|[A-Z]{2})$/;
const PARTNER = /^[a-z0-9-]{1,32}$/;
const RECIPIENT = /^[\x21-\x7e]{1,2048}$/;

/** What a client has to know of a network, and nothing of people. It holds secrets of a channel: who has it can find the relays of its bucket. */
export interface Brand {
  /** The name of the network, as its users see it. */
  readonly network: string;
  /** By which way people learn of the relays in it. */
  readonly channel: string;
  /** Whose brand it is, as users see it; null for the network's own. */
  readonly partner: string | null;
  /** TUF's root metadata, byte for byte: where trust in the publication begins. */
  readonly root: Buffer;
  /** The Ed25519 key (32 bytes) that signs server entries. */
  readonly entryKey: Buffer;
  /** Ed25519 keys (32 bytes each) that may sign tactics. */
  readonly tacticsKeys: readonly Buffer[];
  /** The key of one bucket: 32 bytes. */
  readonly bucket: Buffer;
  /** Server entries to begin with: share links, signed by `entryKey`. */
  readonly entries: readonly string[];
  /** Base URLs of mirrors of the publication, the preferred ones first. */
  readonly mirrors: readonly string[];
  /** What people see first, by country (ISO 3166-1) or `*`. */
  readonly homes: ReadonlyMap<string, string>;
  /** Keys by which partners sign their content. */
  readonly partnerKeys: ReadonlyMap<string, PublicKey>;
  /** Who can read feedback: age recipients. */
  readonly feedback: readonly string[];
}

/** Reads a brand file. Members that it does not know are skipped. Throws a `PublicationError` (`malformed`, `too-large`). */
export function parseBrand(bytes: Buffer): Brand {
  if (bytes.length > MAX_BRAND_BYTES) {
    throw new PublicationError('too-large', `a brand file has at most ${MAX_BRAND_BYTES} bytes`);
  }
  try {
    return readBrand(JsonFields.parse(bytes, WHAT));
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    const code = cause.code === 'out-of-bounds' ? 'too-large' : 'malformed';
    throw new PublicationError(code, `this is no brand file that can be used: ${cause.message}`, {
      cause,
      remedy: 'Get the file again, from where you had it.',
    });
  }
}

/** A brand as a file. Throws a `PublicationError` where it is not one that `parseBrand` takes. */
export function formatBrand(brand: Brand): Buffer {
  const { homes, partner, partnerKeys } = brand;
  const json = {
    v: VERSION,
    network: brand.network,
    channel: brand.channel,
    ...(partner === null ? {} : { partner: { name: partner } }),
    root: brand.root.toString('base64'),
    entryKey: encodeBase64url(brand.entryKey),
    tacticsKeys: brand.tacticsKeys.map(encodeBase64url),
    bucket: encodeBase64url(brand.bucket),
    entries: brand.entries,
    mirrors: brand.mirrors,
    homes: Object.fromEntries(homes),
    partnerKeys: Object.fromEntries([...partnerKeys].map(([name, { bytes }]) => [name, encodeBase64url(bytes)])),
    feedback: brand.feedback,
  };
  const bytes = Buffer.from(`${JSON.stringify(json, null, 2)}\n`);
  parseBrand(bytes); // what is refused on arrival must not leave
  return bytes;
}

/** The home page for a country, or for everywhere else; null where the brand names none. `country` is null when it is not known. */
export function homeOf({ homes }: Pick<Brand, 'homes'>, country: string | null): string | null {
  return homes.get(country ?? '*') ?? homes.get('*') ?? null;
}

function readBrand(fields: JsonFields): Brand {
  fields.integer('v', [VERSION, VERSION]);
  const entryKey = fields.bytes('entryKey', KEY_BYTES);
  return {
    network: fields.pattern('network', NAME),
    channel: fields.pattern('channel', CHANNEL),
    partner: fields.has('partner') ? fields.fields('partner').pattern('name', NAME) : null,
    root: readRoot(fields),
    entryKey,
    tacticsKeys: optionalTexts(fields, 'tacticsKeys', MAX_TACTICS_KEYS).map((text) => keyOf(text, fields)),
    bucket: fields.bytes('bucket', KEY_BYTES),
    entries: texts(fields, 'entries', MAX_BRAND_ENTRIES).map((link) => readEntry(link, entryKey, fields)),
    mirrors: texts(fields, 'mirrors', MAX_MIRRORS).map((url) => urlOf(url, fields)),
    homes: new Map(members(fields, 'homes', MAX_HOMES).map(([at, url]) => readHome(at, url, fields))),
    partnerKeys: new Map(members(fields, 'partnerKeys', MAX_PARTNERS).map(([name, key]) => readPin(name, key, fields))),
    feedback: optionalTexts(fields, 'feedback', MAX_RECIPIENTS).map((text) => {
      if (!RECIPIENT.test(text)) throw fields.malformed('"feedback" holds what is no recipient');
      return text;
    }),
  };
}

function readRoot(fields: JsonFields): Buffer {
  const text = fields.string('root');
  const root = Buffer.from(text, 'base64');
  if (root.length > MAX_ROOT_BYTES) throw fields.outOfBounds('"root" is too long');
  if (root.toString('base64') !== text) throw fields.malformed('"root" is not in base64');
  readDocument<RootJson>(root, 'root');
  return root;
}

function readEntry(link: string, entryKey: Buffer, fields: JsonFields): string {
  const { entry } = parseServerEntry(parseShareLink(link));
  if (!entry.signer.equals(entryKey)) throw fields.malformed('an entry was signed by another key than "entryKey"');
  return link;
}

function readHome(country: string, url: unknown, fields: JsonFields): [string, string] {
  if (!COUNTRY.test(country)) throw fields.malformed('"homes" names what is no country');
  if (typeof url !== 'string') throw fields.malformed('a home page is not a string');
  return [country, urlOf(url, fields)];
}

function readPin(name: string, key: unknown, fields: JsonFields): [string, PublicKey] {
  if (!PARTNER.test(name) || typeof key !== 'string') throw fields.malformed('"partnerKeys" is not of its form');
  return [name, publicKeyOf(keyOf(key, fields))];
}

function keyOf(text: string, fields: JsonFields): Buffer {
  const key = decodeBase64url(text);
  if (key.length !== KEY_BYTES) throw fields.malformed(`a key has ${KEY_BYTES} bytes`);
  return key;
}

/** An `http:` or `https:` URL without a login in it. */
function urlOf(text: string, fields: JsonFields): string {
  const url = text.length <= MAX_URL_CHARS ? URL.parse(text) : null;
  const isWeb = url?.protocol === 'https:' || url?.protocol === 'http:';
  if (url === null || !isWeb || url.username !== '' || url.password !== '') {
    throw fields.malformed('it holds what is no address of a web page');
  }
  return text;
}

function texts(fields: JsonFields, name: string, most: number): string[] {
  return fields.list(name, [0, most]).map((text) => {
    if (typeof text !== 'string') throw fields.malformed(`"${name}" holds what is no string`);
    return text;
  });
}

function optionalTexts(fields: JsonFields, name: string, most: number): string[] {
  return fields.has(name) ? texts(fields, name, most) : [];
}

function members(fields: JsonFields, name: string, most: number): [string, unknown][] {
  if (!fields.has(name)) return [];
  const all = Object.entries(fields.fields(name).object);
  if (all.length > most) throw fields.outOfBounds(`"${name}" has more than ${most} members`);
  return all;
}

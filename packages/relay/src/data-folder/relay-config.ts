import {
  decodeBase64url,
  encodeBase64url,
  formatHostPort,
  ProtocolError,
  parseHostPort,
  type Target,
} from '@rozan/protocol';
import { CONFIG_BOUNDS, STRANGER_BOUNDS } from '../limits/constants.ts';
import { RelayError } from './relay-error.ts';

const VERSION = 1;
const KEY_BYTES = 32;
const NAME = /^[a-z][a-z0-9-]{0,31}$/;
/** What a channel may be called. */
export const CHANNEL_ID: RegExp = /^[A-Za-z0-9_-]{1,32}$/;
const MAX_IDLE_MS = STRANGER_BOUNDS.longestIdleMs;

/** A distribution channel: whoever has its access secret can reach the relay. */
export interface RelayChannel {
  /** 1 to 32 letters, digits, `-` or `_`. */
  readonly id: string;
  /** 32 bytes. */
  readonly accessSecret: Buffer;
}

/** A transport, and where it listens or is to be reached. */
export interface TransportAddress {
  readonly transport: string;
  readonly address: Target;
}

/** A place where a relay listens. */
export interface ListenPlace extends TransportAddress {
  /** The transport's own, unchecked here: see `Transport.parseSettings`. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/** What a relay keeps about itself. */
export interface RelayConfig {
  /** The private X25519 key, 32 bytes: the relay's identity in handshakes. */
  readonly staticKey: Buffer;
  /** The private Ed25519 key (seed), 32 bytes: signs the relay's own server entries. */
  readonly signingKey: Buffer;
  /** At least one. */
  readonly channels: readonly RelayChannel[];
  /** Where it listens; chosen once, ports included, so that entries stay true. */
  readonly listen: readonly ListenPlace[];
  /** What entries say instead, where that differs. */
  readonly addresses: readonly TransportAddress[];
  /** How long this relay bears a silent stranger: see `drawStrangerIdleMs`. */
  readonly strangerIdleMs: number;
}

type Fields = { readonly [name: string]: unknown };

function broken(message: string, options?: ErrorOptions): RelayError {
  const remedy = 'restore the file from a backup, or make a new relay with "rozan relay init" in another folder';
  return new RelayError('folder-broken', `relay.json: ${message}`, { ...options, remedy });
}

function readObject(value: unknown, name: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw broken(`"${name}" is not an object`);
  return Object.fromEntries(Object.entries(value));
}

function readString(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string') throw broken(`"${name}" is not a string`);
  return value;
}

function readPattern(fields: Fields, name: string, pattern: RegExp): string {
  const text = readString(fields, name);
  if (!pattern.test(text)) throw broken(`"${name}" is not of its form`);
  return text;
}

/** The message says which field is wrong, and never what is in it. */
function readKey(fields: Fields, name: string): Buffer {
  try {
    const bytes = decodeBase64url(readString(fields, name));
    if (bytes.length === KEY_BYTES) return bytes;
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
  }
  throw broken(`"${name}" is not ${KEY_BYTES} bytes in base64url`);
}

function readList<T>(
  fields: Fields,
  name: string,
  options: { max: number; read: (member: Fields) => T },
): readonly T[] {
  const value = fields[name];
  if (!Array.isArray(value) || value.length > options.max)
    throw broken(`"${name}" is not a list of at most ${options.max}`);
  return value.map((member) => options.read(readObject(member, name)));
}

function readAddress(fields: Fields): TransportAddress {
  const transport = readPattern(fields, 'transport', NAME);
  try {
    return { transport, address: parseHostPort(readString(fields, 'address')) };
  } catch (cause) {
    if (cause instanceof RelayError) throw cause;
    throw broken('an "address" is not HOST:PORT', { cause });
  }
}

function readListenPlace(fields: Fields): ListenPlace {
  const { settings = {} } = fields;
  return { ...readAddress(fields), settings: readObject(settings, 'settings') };
}

function readChannels(fields: Fields): readonly RelayChannel[] {
  const channels = readList(fields, 'channels', {
    max: CONFIG_BOUNDS.channels,
    read: (member) => ({ id: readPattern(member, 'id', CHANNEL_ID), accessSecret: readKey(member, 'accessSecret') }),
  });
  if (channels.length === 0) throw broken('"channels" is empty');
  if (new Set(channels.map(({ id }) => id)).size < channels.length) throw broken('two channels have the same id');
  return channels;
}

function readIdleMs(fields: Fields): number {
  const value = fields.strangerIdleMs;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > MAX_IDLE_MS) {
    throw broken('"strangerIdleMs" is not a number of its range');
  }
  return value;
}

/** The value, or undefined: a parser's error is of no use here, for it quotes what it stumbles over, and that may be a key. */
function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

/** Reads `relay.json`. Throws a `RelayError` (`folder-broken`, `folder-too-new`) that quotes nothing of what the file holds. */
export function parseRelayConfig(bytes: Buffer): RelayConfig {
  const value = parseJson(bytes);
  if (value === undefined) throw broken('it is not JSON in UTF-8');
  const fields = readObject(value, 'relay.json');
  const { version } = fields;
  if (typeof version === 'number' && version > VERSION) {
    throw new RelayError('folder-too-new', 'relay.json was written by a later version', {
      remedy: 'update this relay',
    });
  }
  if (version !== VERSION) throw broken('"version" is missing');
  const max = CONFIG_BOUNDS.addresses;
  return {
    staticKey: readKey(fields, 'staticKey'),
    signingKey: readKey(fields, 'signingKey'),
    channels: readChannels(fields),
    listen: readList(fields, 'listen', { max, read: readListenPlace }),
    addresses: readList(fields, 'addresses', { max, read: readAddress }),
    strangerIdleMs: readIdleMs(fields),
  };
}

/** The bytes of `relay.json`. */
export function formatRelayConfig(config: RelayConfig): Buffer {
  const formatAddress = ({ transport, address }: TransportAddress) => ({ transport, address: formatHostPort(address) });
  const fields = {
    version: VERSION,
    staticKey: encodeBase64url(config.staticKey),
    signingKey: encodeBase64url(config.signingKey),
    channels: config.channels.map(({ id, accessSecret }) => ({ id, accessSecret: encodeBase64url(accessSecret) })),
    listen: config.listen.map((place) => ({ ...formatAddress(place), settings: place.settings })),
    addresses: config.addresses.map(formatAddress),
    strangerIdleMs: config.strangerIdleMs,
  };
  return Buffer.from(`${JSON.stringify(fields, null, 2)}\n`);
}

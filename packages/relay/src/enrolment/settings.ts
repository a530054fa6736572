import { JsonFields, ProtocolError, parseServerEntry, parseShareLink, type ServerEntry } from '@rozan/protocol';
import { CHANNEL_ID, type RelayChannel } from '../data-folder/relay-config.ts';
import { CONFIG_BOUNDS, FORWARD_BOUNDS } from '../limits/constants.ts';

const KEY_BYTES = 32;
const MAX_FORMER = 16;
const WHAT = 'settings';
const STATES = /^(new|tested|serving|discoverable|drained|retired)$/;

/** A channel as the control plane has it. */
export interface ChannelSettings extends RelayChannel {
  /** Secrets that are taken as well, until their time (ms since 1970). */
  readonly former: readonly { readonly accessSecret: Buffer; readonly untilMs: number }[];
}

/** What a control plane tells a relay to be (docs/spec/enrolment.md §3). */
export interface RelaySettings {
  /** The relay's id, as the control plane knows it. */
  readonly relay: string;
  /** Rises with each change. */
  readonly version: number;
  readonly state: string;
  /** Whether it takes no new sessions. */
  readonly isDraining: boolean;
  readonly channels: readonly ChannelSettings[];
  readonly siblings: readonly ServerEntry[];
}

function readTime(text: string, fields: JsonFields): number {
  const timeMs = Date.parse(text);
  if (!Number.isFinite(timeMs)) throw fields.malformed('a time is not of its form');
  return timeMs;
}

function fieldsOf(value: unknown, what: string): JsonFields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ProtocolError('malformed', `${what}: not an object`);
  }
  return new JsonFields(Object.fromEntries(Object.entries(value)), what);
}

function readChannel(value: unknown): ChannelSettings {
  const fields = fieldsOf(value, `${WHAT}: a channel`);
  return {
    id: fields.pattern('id', CHANNEL_ID),
    accessSecret: fields.bytes('accessSecret', KEY_BYTES),
    former: fields.list('former', [0, MAX_FORMER]).map((one) => {
      const former = fieldsOf(one, `${WHAT}: a former secret`);
      return {
        accessSecret: former.bytes('accessSecret', KEY_BYTES),
        untilMs: readTime(former.string('until'), former),
      };
    }),
  };
}

function readSibling(value: unknown, fields: JsonFields): ServerEntry {
  if (typeof value !== 'string') throw fields.malformed('"siblings" holds what is no string');
  return parseServerEntry(parseShareLink(value)).entry;
}

/** Reads settings in JSON. Members that are not known are skipped. Throws a `ProtocolError` that quotes nothing of them. */
export function parseRelaySettings(bytes: Buffer): RelaySettings {
  const fields = JsonFields.parse(bytes, WHAT);
  const isDraining = fields.object.isDraining;
  if (typeof isDraining !== 'boolean') throw fields.malformed('"isDraining" is not true or false');
  const channels = fields.list('channels', [0, CONFIG_BOUNDS.channels]).map(readChannel);
  if (new Set(channels.map(({ id }) => id)).size < channels.length) throw fields.malformed('a channel is there twice');
  return {
    relay: fields.string('relay'),
    version: fields.integer('version', [0, Number.MAX_SAFE_INTEGER]),
    state: fields.pattern('state', STATES),
    isDraining,
    channels,
    siblings: fields.list('siblings', [0, FORWARD_BOUNDS.siblings]).map((link) => readSibling(link, fields)),
  };
}

/** Under which secrets clients are taken at a moment. */
export function channelsAt({ channels }: Pick<RelaySettings, 'channels'>, nowMs: number): RelayChannel[] {
  return channels.flatMap(({ id, accessSecret, former }) => [
    { id, accessSecret },
    ...former.filter(({ untilMs }) => untilMs > nowMs).map((one) => ({ id, accessSecret: one.accessSecret })),
  ]);
}

/** What is said over the client's local API (docs/spec/client-api.md): schemas, and the types that follow from them. Times are milliseconds. */
import { z } from 'zod';

/** Bounds of what the API takes. */
export const API_BOUNDS = {
  /** A request's body, in bytes. */
  bodyBytes: 65_536,
  /** Event streams at once; the oldest makes room. */
  streams: 8,
  /** A line is sent at least so often, so that a dead daemon is noticed. */
  beatMs: 15_000,
  /** States follow each other no faster. */
  stateMs: 250,
} as const;

export const LANGUAGES = ['en', 'fa', 'ar', 'zh', 'ru'] as const;
const regionSchema = z.string().regex(/^[A-Z]{2}$/, 'two capital letters');
const countSchema = z.int().min(0);
/** Milliseconds since 1970. */
const timeSchema = z.int().min(0);
/** The tag of a server entry: says nothing to who lacks the entry. */
const entryIdSchema = z.string().regex(/^[A-Za-z0-9_-]{1,32}$/, 'the id of an entry');
/** What a connection looks like to whoever watches it. */
const looksSchema = z.enum(['web', 'nothing', 'other']);

export const errorCodeSchema = z.enum([
  'malformed', // 400, 413, 415, 431: not a request of its form
  'unauthorized', // 401: no token, or one that is not valid any more: open the app anew
  'bad-code', // 401: the one-time code is wrong, used or too old
  'foreign', // 403: Host or Origin are not ours
  'not-found', // 404, 405
  'conflict', // 409: not now, such as connecting without an entry
  'busy', // 503: too many event streams
  'too-many', // 429: too many codes have been tried
  'unavailable', // 501: this machine or this build cannot do that
  'failed', // 500: our fault
]);
export const errorSchema = z.strictObject({
  error: z.strictObject({ code: errorCodeSchema, message: z.string() }),
});

export const sessionRequestSchema = z.strictObject({ code: z.string().min(1).max(100) });
export const sessionReplySchema = z.strictObject({ token: z.string() });

/** `blocked`: every way has been tried without success, and it goes on trying. */
const phaseSchema = z.enum(['off', 'connecting', 'connected', 'blocked']);

const warningSchema = z.enum([
  'shared-on-lan', // others on this network can use the proxies
  'no-entries', // nothing to connect with
  'entries-stale', // entries in use are expired, or this clock is wrong
  'program-missing', // a way needs a program that is not on this machine
  'memory-unwritable', // what is learnt is not kept
  'settings-unwritable',
  'system-proxy-foreign', // another program has changed the system proxy since; it is left alone
  'relay-draining',
]);

export const stateSchema = z.strictObject({
  v: z.literal(1),
  phase: phaseSchema,
  /** Since when it is in this phase. */
  sinceMs: timeSchema,
  /** What is being tried; null when nothing is. */
  attempt: z
    .strictObject({ trying: countSchema, failed: countSchema, ways: countSchema, afterMs: countSchema })
    .nullable(),
  /** Null unless connected. A connection that is lost for a moment is still connected, and `waiting`. */
  connection: z
    .strictObject({
      looks: z.array(looksSchema),
      /** Connections to the relay right now. */
      carriers: countSchema,
      /** How often one was cut since it was connected; nothing is lost by that. */
      cuts: countSchema,
      waiting: z.boolean(),
      /** It goes through a second relay, because the first cannot be reached directly. */
      rerouted: z.boolean(),
      entry: entryIdSchema,
      /** The country of the relay, if it is known. */
      region: regionSchema.nullable(),
    })
    .nullable(),
  /** Since the daemon has started. Rates are bytes a second, over the last seconds. */
  traffic: z.strictObject({
    bytesUp: countSchema,
    bytesDown: countSchema,
    upPerSecond: countSchema,
    downPerSecond: countSchema,
  }),
  /** Connections of programs that go to domestic places past the tunnel, right now. */
  direct: countSchema,
  /** `HOST:PORT`, for the settings of other programs. */
  proxies: z.strictObject({ socks: z.string().nullable(), http: z.string().nullable(), shared: z.boolean() }),
  entries: z.strictObject({ total: countSchema, worked: countSchema, failed: countSchema }),
  /** What to show once connected; null if nothing says so. */
  homePage: z.string().nullable(),
  systemProxy: z.enum(['off', 'on', 'unavailable']),
  /** Whether new settings wait for the next start. */
  restartNeeded: z.boolean(),
  warnings: z.array(warningSchema),
  versions: z.strictObject({ rozan: z.string(), api: z.literal(1) }),
});

export const upstreamSchema = z.strictObject({
  kind: z.enum(['http', 'socks5']),
  host: z.string().regex(/^[A-Za-z0-9._:-]{1,253}$/, 'a host name or an address'),
  port: z.int().min(1).max(65_535),
  user: z.string().max(255),
});
const portSchema = z.int().min(1024).max(65_535);

export const settingsSchema = z.strictObject({
  socksPort: portSchema,
  httpPort: portSchema,
  shareOnLan: z.boolean(),
  /** Without its password. */
  upstreamProxy: upstreamSchema.extend({ hasPassword: z.boolean() }).nullable(),
  startAtLogin: z.boolean(),
  connectAtStart: z.boolean(),
  bypassDomestic: z.boolean(),
  systemProxy: z.boolean(),
  meteredData: z.boolean(),
  language: z.enum(LANGUAGES).nullable(),
  /** The region whose relays are tried first. */
  region: regionSchema.nullable(),
  /** The country that the person is in: which places are domestic, and which home page is shown. */
  country: regionSchema.nullable(),
});

/**
 * When a setting acts: `now`; `start`, at the next start of the daemon; `never`, this machine or this build cannot do it: the app shows it
 * as not available, and a change is refused with `unavailable`.
 */
const actsSchema = z.enum(['now', 'start', 'never']);

export const settingsReplySchema = z.strictObject({
  settings: settingsSchema,
  acts: z.record(z.enum(Object.keys(settingsSchema.shape) as [keyof Settings, ...(keyof Settings)[]]), actsSchema),
  /** What was changed and waits for the next start. */
  waiting: z.array(z.string()),
});

/** Members that are left out stay as they are. A `password` that is left out stays too, null removes it. */
export const settingsRequestSchema = settingsSchema.partial().extend({
  upstreamProxy: upstreamSchema
    .extend({ password: z.string().max(255).nullable().optional() })
    .nullable()
    .optional(),
});

/** Text with `rozan://` links: pasted, out of a file, or out of a picture that the app has decoded. */
export const entriesRequestSchema = z.strictObject({ text: z.string().min(1).max(API_BOUNDS.bodyBytes) });
export const entriesAddedSchema = z.strictObject({
  added: z.array(entryIdSchema),
  known: z.array(entryIdSchema),
  /** `index`: which of the links in the text, from 0. */
  refused: z.array(
    z.strictObject({
      index: countSchema,
      reason: z.enum(['none-found', 'malformed', 'unsupported', 'not-authentic', 'too-many']),
    }),
  ),
});

export const entrySchema = z.strictObject({
  id: entryIdSchema,
  region: regionSchema.nullable(),
  looks: z.array(looksSchema),
  state: z.enum(['in-use', 'worked', 'failed', 'untried']),
  validity: z.enum(['valid', 'expired', 'not-yet']),
});
export const entryListSchema = z.strictObject({ entries: z.array(entrySchema) });
/** The link is a secret that lets others in: show it only when asked to. */
export const entryLinkSchema = z.strictObject({ link: z.string() });

const failureSchema = z.strictObject({
  /** How far it came (docs/spec/events.md). */
  phase: z.enum(['resolve', 'connect', 'dress', 'handshake', 'forward', 'check']),
  /** A failure code of docs/spec/events.md; one that a reader does not know counts as `failed`. */
  code: z.string(),
  transport: z.string(),
  looks: looksSchema,
  count: countSchema,
  entries: countSchema,
});

export const whySchema = z.strictObject({
  /** The account in a word: the app has a sentence and an advice for each. */
  verdict: z.enum([
    'off',
    'connected',
    'trying', // the first pass is not over
    'no-entries',
    'offline', // this machine has no way to the internet
    'names-blocked', // the resolver of this network hides names or forges them
    'no-answer', // nothing comes back: somebody drops it
    'cut', // connections are broken off
    'refused', // refused at once: not running, or refused in its name
    'impostor', // somebody else answers, or the entries are too old
    'busy', // relays take nobody more
    'proxy', // the upstream proxy is the trouble
    'mixed', // several of these
  ]),
  /** When the last pass was over; null before. */
  overMs: timeSchema.nullable(),
  ways: countSchema,
  failed: countSchema,
  /** The most frequent first. */
  failures: z.array(failureSchema),
});

export const doneSchema = z.strictObject({ done: z.literal(true) });

/** A line of `GET /api/events`. The first is a `state`; lines of a type that a reader does not know are to be ignored. */
export const eventSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('state'), state: stateSchema }),
  /** The list of entries is another one. */
  z.strictObject({ type: z.literal('entries') }),
  z.strictObject({ type: z.literal('settings') }),
  /** There is a new account: a pass is over. */
  z.strictObject({ type: z.literal('why') }),
  z.strictObject({ type: z.literal('beat') }),
]);

export type ApiErrorCode = z.output<typeof errorCodeSchema>;
export type ApiError = z.output<typeof errorSchema>;
export type SessionRequest = z.output<typeof sessionRequestSchema>;
export type SessionReply = z.output<typeof sessionReplySchema>;
export type Phase = z.output<typeof phaseSchema>;
export type Looks = z.output<typeof looksSchema>;
export type Warning = z.output<typeof warningSchema>;
export type ClientState = z.output<typeof stateSchema>;
export type Settings = z.output<typeof settingsSchema>;
export type SettingsReply = z.output<typeof settingsReplySchema>;
export type SettingsRequest = z.output<typeof settingsRequestSchema>;
export type EntriesRequest = z.output<typeof entriesRequestSchema>;
export type EntriesAdded = z.output<typeof entriesAddedSchema>;
export type Entry = z.output<typeof entrySchema>;
export type EntryList = z.output<typeof entryListSchema>;
export type EntryLink = z.output<typeof entryLinkSchema>;
export type Why = z.output<typeof whySchema>;
export type ClientEvent = z.output<typeof eventSchema>;

import { encodeBase64url, formatShareLink, KEY_BYTES } from '@rozan/protocol';
import { z } from 'zod';
import { type Queries, sql } from '../database/database.ts';
import { channelIdSchema, keySchema, relayIdSchema, stateSchema, timeSchema } from '../http/schemas.ts';
import { RELAY_BOUNDS } from '../limits.ts';
import type { EntrySigner } from './entry-signer.ts';
import { findRelay, type RelayRow } from './relay-row.ts';
import { type SecretRow, secretsOf } from './secrets.ts';

/** What a sibling's entry has in place of an access secret: forwarders use their link secret, and a seized relay is to give away no channel. */
const NO_SECRET = Buffer.alloc(KEY_BYTES);

/** What a relay is told to be. */
export const relaySettingsSchema = z.strictObject({
  relay: relayIdSchema,
  version: z.number().int(),
  state: stateSchema,
  /** Whether it takes new sessions. */
  isDraining: z.boolean(),
  channels: z.array(
    z.strictObject({
      id: channelIdSchema,
      accessSecret: keySchema,
      /** Taken as well, until their time; the newest first. */
      former: z.array(z.strictObject({ accessSecret: keySchema, until: timeSchema })),
    }),
  ),
  /** Share links. */
  siblings: z.array(z.string()),
});

export type RelaySettings = z.input<typeof relaySettingsSchema>;

/** A server entry of a relay, signed. `secret` and `channel` are those of one channel. */
export function signEntry(
  signer: EntrySigner,
  relay: RelayRow,
  options: { readonly secret: Buffer; readonly channel?: string; readonly nowMs: number },
): string {
  const { secret, channel, nowMs } = options;
  const bytes = signer.sign({
    key: relay.key,
    secret,
    channel,
    region: relay.region ?? undefined,
    issuedMs: nowMs,
    expiresMs: nowMs + RELAY_BOUNDS.entryMs,
    transports: relay.transports,
  });
  return formatShareLink(bytes);
}

function channelsOf(secrets: readonly SecretRow[]): RelaySettings['channels'] {
  const byChannel = Map.groupBy(secrets, ({ channel }) => channel);
  return [...byChannel].flatMap(([id, rows]) => {
    const current = rows.find(({ ends_at }) => ends_at === null);
    if (current === undefined) return [];
    const former = rows.flatMap(({ secret, ends_at }) =>
      ends_at === null ? [] : [{ accessSecret: encodeBase64url(secret), until: ends_at.toISOString() }],
    );
    // The newest: of what is rotated that often, the oldest ones are what it is to be rid of.
    return [{ id, accessSecret: encodeBase64url(current.secret), former: former.slice(0, RELAY_BOUNDS.formerSecrets) }];
  });
}

/** What the relay with this id is to be told. */
export async function relaySettings(
  queries: Queries,
  relay: string,
  options: { readonly signer: EntrySigner; readonly nowMs: number },
): Promise<RelaySettings> {
  const row = await findRelay(queries, relay);
  const siblings = await queries.rows<RelayRow>(
    sql`select r.* from siblings s join relays r on r.id = s.sibling where s.relay = ${row.id} order by r.id`,
  );
  const secrets = await secretsOf(queries, row.id, options.nowMs);
  return {
    relay: row.id,
    version: row.settings_version,
    state: row.state,
    isDraining: row.state === 'drained' || row.state === 'retired',
    channels: channelsOf(secrets),
    siblings: siblings.map((sibling) =>
      signEntry(options.signer, sibling, { secret: NO_SECRET, nowMs: options.nowMs }),
    ),
  };
}

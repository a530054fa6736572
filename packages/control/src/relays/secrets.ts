import { KEY_BYTES } from '@rozan/protocol';
import type { Random } from '@rozan/tunnel';
import { type Queries, sql } from '../database/database.ts';
import { touchRelays } from './relay-row.ts';

/** An access secret that a relay takes. */
export interface SecretRow {
  readonly channel: string;
  readonly generation: number;
  readonly secret: Buffer;
  /** Null for the one that entries have. */
  readonly ends_at: Date | null;
}

/** The access secrets that a relay takes, by channel, the newest first. */
export function secretsOf(queries: Queries, relay: string, nowMs: number): Promise<SecretRow[]> {
  return queries.rows<SecretRow>(
    sql`select channel, generation, secret, ends_at from access_secrets
        where relay = ${relay} and (ends_at is null or ends_at > ${new Date(nowMs)})
        order by channel, generation desc`,
  );
}

/** Has a relay serve a channel under a secret of its own; nothing changes where it does already. */
export async function joinChannel(
  queries: Queries,
  options: { readonly relay: string; readonly channel: string; readonly random: Random; readonly nowMs: number },
): Promise<void> {
  const { relay, channel, random, nowMs } = options;
  const { generation } = (await queries.first<{ generation: number }>(
    sql`select coalesce(max(generation), 0) + 1 as generation from access_secrets
        where relay = ${relay} and channel = ${channel}`,
  )) ?? { generation: 1 };
  const added = await queries.run(
    sql`insert into access_secrets (relay, channel, generation, secret, created_at)
        select ${relay}, ${channel}, ${generation}, ${random.bytes(KEY_BYTES)}, ${new Date(nowMs)}
        where not exists (select from access_secrets where relay = ${relay} and channel = ${channel} and ends_at is null)`,
  );
  if (added > 0) await touchRelays(queries, [relay]);
}

/** Has the secret of a channel at a relay end; gives how many have. */
export async function endSecret(
  queries: Queries,
  options: { readonly relay: string; readonly channel: string; readonly endsMs: number },
): Promise<number> {
  const { relay, channel, endsMs } = options;
  const ended = await queries.run(
    sql`update access_secrets set ends_at = ${new Date(endsMs)}
        where relay = ${relay} and channel = ${channel} and (ends_at is null or ends_at > ${new Date(endsMs)})`,
  );
  if (ended > 0) await touchRelays(queries, [relay]);
  return ended;
}

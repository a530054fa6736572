import { decodeBase64url, relayId } from '@rozan/protocol';
import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { HttpProblem, notLetIn } from '../../http/problem.ts';
import { defineRoute, type RouteContext } from '../../http/route.ts';
import { countrySchema, keySchema, tokenSchema, transportsSchema } from '../../http/schemas.ts';
import { createToken, hashToken } from '../../http/tokens.ts';
import { touchWithSiblings } from '../../relays/relay-row.ts';
import { joinChannel } from '../../relays/secrets.ts';
import { relaySettings, relaySettingsSchema } from '../../relays/settings.ts';

const bodySchema = z.strictObject({
  token: tokenSchema,
  /** The static X25519 key, public. */
  key: keySchema,
  /** The Ed25519 key by which the relay signs, public. */
  signingKey: keySchema,
  region: countrySchema.optional(),
  transports: transportsSchema,
});

interface TokenRow {
  readonly id: string;
  readonly name: string;
  readonly channels: readonly string[];
  readonly relay: string | null;
  readonly used_at: Date | null;
}

/**
 * A token is good for one relay; for the same one again, so that a lost reply costs nothing but another credential. One that was made for a relay that is
 * enrolled is good for that relay alone.
 */
async function takeToken({ queries, clock }: RouteContext, token: string, relay: string): Promise<TokenRow> {
  const now = new Date(clock.wallMs());
  const row = await queries.first<TokenRow>(
    sql`select id, name, channels, relay, used_at from enrolment_tokens
        where token_hash = ${hashToken(token)} and expires_at > ${now} for update`,
  );
  const isBound = row?.used_at !== null || row.relay !== null;
  if (row === null || (isBound && row.relay !== relay)) throw notLetIn();
  return row;
}

export const enrolRelay = defineRoute({
  method: 'POST',
  path: '/relays/enrol',
  command: null,
  summary: 'Enrol a relay with a one-time token; gives its credential and its settings.',
  access: ['anyone'],
  isGuessable: true,
  // One that enrols again may be reached otherwise than before.
  changesPublication: true,
  body: bodySchema,
  reply: z.strictObject({ credential: z.string(), settings: relaySettingsSchema }),
  audit: (_input, { settings }) => ({ subject: settings.relay }),
  handle: async ({ body }, context) => {
    const { queries, random, clock, signer } = context;
    const nowMs = clock.wallMs();
    const key = decodeBase64url(body.key);
    const id = relayId(key);
    const token = await takeToken(context, body.token, id);
    const credential = createToken(random, 'relay');
    const transports = JSON.stringify(body.transports);
    const changed = await queries.run(
      sql`insert into relays (id, name, key, signing_key, region, transports, state, credential_hash, enrolled_at)
          values (${id}, ${token.name}, ${key}, ${decodeBase64url(body.signingKey)}, ${body.region ?? null}, ${transports},
            'new', ${hashToken(credential)}, ${new Date(nowMs)})
          on conflict (id) do update set signing_key = excluded.signing_key, region = coalesce(excluded.region, relays.region),
            transports = excluded.transports, credential_hash = excluded.credential_hash,
            former_credential_hash = null
          where ${token.relay}::text = relays.id and relays.state <> 'retired'`,
    );
    if (changed === 0) throw new HttpProblem(409, 'conflict', 'a relay with that key is enrolled already');
    await queries.run(
      sql`update enrolment_tokens set used_at = coalesce(used_at, ${new Date(nowMs)}), relay = ${id} where id = ${token.id}`,
    );
    if (token.relay !== null) await touchWithSiblings(queries, id);
    for (const channel of token.channels) await joinChannel(queries, { relay: id, channel, random, nowMs });
    return { credential, settings: await relaySettings(queries, id, { signer, nowMs }) };
  },
});

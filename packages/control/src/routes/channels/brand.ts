import { decodeBase64url, formatShareLink } from '@rozan/protocol';
import { formatBrand } from '@rozan/publication';
import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { conflict, notFound } from '../../http/problem.ts';
import { defineRoute } from '../../http/route.ts';
import { bucketNumberSchema, channelIdSchema } from '../../http/schemas.ts';
import { PUBLICATION_BOUNDS } from '../../limits.ts';
import { entryLists } from '../../publication/entry-lists.ts';
import { readNetwork } from '../../publication/network-row.ts';

export const channelBrand = defineRoute({
  method: 'GET',
  path: '/channels/:channel/buckets/:number/brand',
  command: 'channel brand',
  summary:
    'The brand file of a bucket: all that a client needs to start. Whoever has it can find the relays of the bucket. "rozan brand build" writes it to a file.',
  access: ['operator'],
  params: z.strictObject({ channel: channelIdSchema, number: bucketNumberSchema }),
  reply: z.strictObject({ brand: z.string() }),
  handle: async ({ params: { channel, number } }, { queries, clock, signer }) => {
    const lists = await entryLists(queries, { signer, nowMs: clock.wallMs(), only: { channel, number } });
    const [list] = lists;
    if (list === undefined) throw notFound('bucket of that channel');
    const row = await queries.first<{ root: Buffer | null }>(sql`select root from publication limit 1`);
    if (row?.root === undefined || row.root === null) {
      throw conflict(
        'nothing was published yet: begin with "rozan keys init", and see "rozan control publication show"',
      );
    }
    const { name, mirrors, homes, feedback, tactics_keys: tacticsKeys } = await readNetwork(queries);
    const brand = formatBrand({
      network: name,
      channel,
      partner: null,
      root: row.root,
      entryKey: decodeBase64url(signer.publicKey),
      tacticsKeys: tacticsKeys.map(decodeBase64url),
      bucket: list.key,
      entries: list.entries.slice(0, PUBLICATION_BOUNDS.brandEntries).map(formatShareLink),
      mirrors,
      homes: new Map(Object.entries(homes)),
      partnerKeys: new Map(),
      feedback,
    });
    return { brand: brand.toString('utf8') };
  },
});

import { KEY_BYTES } from '@rozan/protocol';
import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { notFound } from '../../http/problem.ts';
import { defineRoute } from '../../http/route.ts';
import { bucketNumberSchema, channelIdSchema, DONE, doneSchema } from '../../http/schemas.ts';

export const rotateBucket = defineRoute({
  method: 'POST',
  path: '/channels/:channel/buckets/:number/key',
  command: 'channel rotate-bucket',
  summary: 'A new key for a bucket: who has the former one cannot read the lists to come.',
  access: ['operator'],
  changesPublication: true,
  params: z.strictObject({ channel: channelIdSchema, number: bucketNumberSchema }),
  reply: doneSchema,
  handle: async ({ params: { channel, number } }, { queries, random, clock }) => {
    const changed = await queries.run(
      sql`update buckets set key = ${random.bytes(KEY_BYTES)}, created_at = ${new Date(clock.wallMs())}
          where channel = ${channel} and number = ${number}`,
    );
    if (changed === 0) throw notFound('bucket');
    return DONE;
  },
});

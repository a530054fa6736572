import { z } from 'zod';
import { sql } from '../database/database.ts';
import { defineRoute } from '../http/route.ts';
import { timeSchema, timeText } from '../http/schemas.ts';

interface HealthRow {
  readonly published_at: Date | null;
  readonly has_failed: boolean;
  readonly waits_since: Date | null;
}

export const health = defineRoute({
  method: 'GET',
  path: '/healthz',
  command: null,
  summary:
    'Whether the control plane and its database answer, and how far the publication is behind. What went wrong with it is told to those who log in only.',
  access: ['anyone'],
  reply: z.strictObject({
    ok: z.literal(true),
    publication: z.strictObject({
      /** Null before the first time. */
      publishedAt: timeSchema.nullable(),
      /** When the oldest change was made that clients cannot know of yet; null where there is none. */
      waitsSince: timeSchema.nullable(),
      hasFailed: z.boolean(),
    }),
  }),
  handle: async (_input, { queries }) => {
    const row = await queries.first<HealthRow>(
      sql`select published_at, error is not null as has_failed, (select min(at) from publication_changes) as waits_since
          from publication limit 1`,
    );
    return {
      ok: true as const,
      publication: {
        publishedAt: timeText(row?.published_at ?? null),
        waitsSince: timeText(row?.waits_since ?? null),
        hasFailed: row?.has_failed ?? false,
      },
    };
  },
});

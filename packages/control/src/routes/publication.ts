import { z } from 'zod';
import { sql } from '../database/database.ts';
import { defineRoute } from '../http/route.ts';
import { timeSchema, timeText } from '../http/schemas.ts';

interface PublicationRow {
  readonly version: number | null;
  readonly published_at: Date | null;
  readonly error: string | null;
  readonly waiting: { readonly role: string; readonly version: number }[];
  readonly expiring: { readonly role: string; readonly expires: string }[];
}

export const showPublication = defineRoute({
  method: 'GET',
  path: '/publication',
  command: 'publication show',
  summary:
    'How publishing goes: the last version, what went wrong since, what waits for signatures of people, and what they have to sign next.',
  access: ['operator', 'analyst'],
  reply: z.strictObject({
    version: z.number().nullable(),
    publishedAt: timeSchema.nullable(),
    /** Null where all is well. */
    error: z.string().nullable(),
    waiting: z.array(z.strictObject({ role: z.string(), version: z.number() })),
    expiring: z.array(z.strictObject({ role: z.string(), expires: timeSchema })),
  }),
  handle: async (_input, { queries }) => {
    const row = await queries.first<PublicationRow>(
      sql`select version, published_at, error, waiting, expiring from publication limit 1`,
    );
    return {
      version: row?.version ?? null,
      publishedAt: timeText(row?.published_at ?? null),
      error: row?.error ?? null,
      waiting: row?.waiting ?? [],
      expiring: row?.expiring ?? [],
    };
  },
});

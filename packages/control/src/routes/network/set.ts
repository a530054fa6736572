import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { defineRoute } from '../../http/route.ts';
import { DONE, doneSchema, keySchema, lineSchema, webUrlSchema } from '../../http/schemas.ts';
import { PUBLICATION_BOUNDS } from '../../limits.ts';

/** `IR=https://…`, or `*=…` for everywhere else. */
const homeSchema = z
  .string()
  .max(1_100)
  .refine(
    (text) => /^(?:\*|[A-Z]{2})=/.test(text) && webUrlSchema.safeParse(text.slice(text.indexOf('=') + 1)).success,
    {
      error: 'COUNTRY=URL, the country in two capital letters or *',
    },
  );

function homesOf(homes: readonly string[]): { readonly [country: string]: string } {
  return Object.fromEntries(homes.map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]));
}

export const setNetwork = defineRoute({
  method: 'PUT',
  path: '/network',
  command: 'network set',
  summary:
    'Change what brand files say of the network. Each list takes the place of the one before; an empty one clears it.',
  access: ['operator'],
  body: z.strictObject({
    /** At most 64 characters, as people see it. */
    name: lineSchema(64).optional(),
    mirrors: z.array(webUrlSchema).max(PUBLICATION_BOUNDS.mirrors).optional(),
    homes: z.array(homeSchema).max(PUBLICATION_BOUNDS.homes).optional(),
    feedback: z
      .array(z.string().regex(/^age1[0-9a-z]{1,2044}$/, 'an age recipient'))
      .max(PUBLICATION_BOUNDS.recipients)
      .optional(),
    tacticsKeys: z.array(keySchema).max(PUBLICATION_BOUNDS.tacticsKeys).optional(),
  }),
  reply: doneSchema,
  audit: ({ body }) => ({ subject: 'network', details: { changed: Object.keys(body) } }),
  handle: async ({ body }, { queries }) => {
    const { name = null, mirrors = null, feedback = null, tacticsKeys = null } = body;
    const homes = body.homes === undefined ? null : JSON.stringify(homesOf(body.homes));
    await queries.run(
      sql`update network set name = coalesce(${name}, name), mirrors = coalesce(${mirrors}::text[], mirrors),
            homes = coalesce(${homes}::jsonb, homes), feedback = coalesce(${feedback}::text[], feedback),
            tactics_keys = coalesce(${tacticsKeys}::text[], tactics_keys)`,
    );
    return DONE;
  },
});

import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { unauthorized } from '../../http/problem.ts';
import { defineRoute } from '../../http/route.ts';
import { reportSchema } from '../../relays/report.ts';

export const reportRelay = defineRoute({
  method: 'POST',
  path: '/relays/report',
  command: null,
  summary: 'What a relay says each minute. Gives the version of its settings: it asks for them when it has others.',
  access: ['relay'],
  isOneStatement: true,
  body: reportSchema,
  reply: z.strictObject({ settingsVersion: z.number() }),
  audit: null,
  handle: async ({ body }, { queries, caller, clock }) => {
    const row = await queries.first<{ version: number }>(
      sql`with kept as (
            insert into relay_reports (relay, at, report)
            values (${caller.relay}, ${new Date(clock.wallMs())}, ${JSON.stringify(body)})
            on conflict (relay) do update set at = excluded.at, report = excluded.report),
          settled as (
            update relays set former_credential_hash = null
            where id = ${caller.relay} and credential_hash = ${caller.credential} and former_credential_hash is not null)
          select settings_version as version from relays where id = ${caller.relay}`,
    );
    if (row === null) throw unauthorized();
    return { settingsVersion: row.version };
  },
});

import type { Env, Listener } from '@rozan/tunnel';
import { z } from 'zod';
import type { Database } from '../database/database.ts';
import { defineRoute } from '../http/route.ts';
import { serveHttp } from '../http/serve.ts';
import { createHttp } from '../http/server.ts';
import { createEntrySigner } from '../relays/entry-signer.ts';

const nothing = defineRoute({
  method: 'POST',
  path: '/nothing',
  command: null,
  summary: 'Nothing.',
  access: ['anyone'],
  isOneStatement: true,
  body: z.looseObject({}),
  reply: z.strictObject({ done: z.literal(true) }),
  audit: null,
  handle: async () => ({ done: true as const }),
});

/** A server like a control plane's with one route that does nothing: what a benchmark measures the others against. `database` is not asked. */
export async function serveNothing(env: Env, database: Database): Promise<Listener> {
  const http = await createHttp(env, {
    routes: [nothing],
    database,
    signer: createEntrySigner(Buffer.alloc(32, 1)),
    site: () => ({ origin: 'http://localhost', host: 'localhost' }),
    version: '0',
    trustedProxies: ['127.0.0.1'],
  });
  return serveHttp(env, http, { address: { host: '127.0.0.1', port: 0 }, tls: null });
}

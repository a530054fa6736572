import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { createEnv, type LogEvent } from '@rozan/tunnel';
import { ManualClock } from '@rozan/tunnel/testing';
import { type Database, sql } from '../database/database.ts';
import type { Role } from '../http/route.ts';
import { createHttp, type Http } from '../http/server.ts';
import { createToken, hashToken } from '../http/tokens.ts';
import { createEntrySigner, type EntrySigner } from '../relays/entry-signer.ts';
import { ROUTES } from '../routes/routes.ts';
import { debianPostgres, startTestCluster, type TestCluster } from './test-cluster.ts';

/** What a request is to have beside its place. */
export interface TestCall {
  /** A bearer token. */
  readonly as?: string | undefined;
  readonly body?: unknown;
  readonly headers?: { readonly [name: string]: string };
}

/** What has come back. */
export interface TestReply {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into replies of all forms, and fails where they have another.
  readonly json: any;
  /** The session's cookie, as a header for later calls. */
  readonly cookie: string | null;
}

/** The API of a control plane over a database of its own. */
export interface TestApi {
  readonly database: Database;
  readonly clock: ManualClock;
  readonly signer: EntrySigner;
  readonly events: readonly LogEvent[];
  call(method: string, path: string, call?: TestCall): Promise<TestReply>;
  /** The same, where everything else than success is a failure of the test. Gives the reply's JSON. */
  ok(method: string, path: string, call?: TestCall): Promise<TestReply['json']>;
  /** Another database, with nothing in it. */
  emptyDatabase(): Promise<Database>;
  /** Makes an account, and a token that lets in as it. */
  token(role: Role): Promise<string>;
}

/** Over which database, and by how many control planes, the tests run. */
type Variant = 'embedded' | "Debian's PostgreSQL" | 'two control planes';
const VARIANTS: readonly Variant[] = ['embedded', "Debian's PostgreSQL", 'two control planes'];

/** Requests come from many places, so that their number alone is no reason to refuse them. */
function addressOf(count: number): string {
  return `10.${(count >> 16) & 255}.${(count >> 8) & 255}.${count & 255}`;
}

async function openApi(cluster: TestCluster, planes: number): Promise<TestApi & AsyncDisposable> {
  const database = await cluster.create();
  const clock = new ManualClock();
  const events: LogEvent[] = [];
  const env = { ...createEnv({ log: (event) => void events.push(event) }), clock };
  const signer = createEntrySigner(Buffer.alloc(32, 7));
  const options = {
    routes: ROUTES,
    database,
    signer,
    site: () => ({ origin: 'http://localhost', host: 'localhost' }),
    version: '0',
    trustedProxies: ['127.0.0.1'],
  };
  const https: readonly Http[] = await Promise.all(Array.from({ length: planes }, () => createHttp(env, options)));
  let calls = 0;
  const call: TestApi['call'] = async (method, path, { as, body, headers = {} } = {}) => {
    calls += 1;
    const app = https[calls % planes]?.app;
    assert.ok(app !== undefined);
    const reply = await app.inject({
      method: method as 'GET',
      url: path,
      headers: {
        'x-forwarded-for': addressOf(calls),
        ...(as === undefined ? {} : { authorization: `Bearer ${as}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
    });
    const cookie = String(reply.headers['set-cookie'] ?? '').split(';')[0] ?? '';
    return { status: reply.statusCode, json: reply.json(), cookie: cookie === '' ? null : cookie };
  };
  return {
    database,
    clock,
    signer,
    events,
    call,
    ok: async (method, path, options) => {
      const reply = await call(method, path, options);
      assert.equal(reply.status, 200, `${method} ${path}: ${JSON.stringify(reply.json)}`);
      return reply.json;
    },
    emptyDatabase: () => cluster.create({ isEmpty: true }),
    token: async (role) => {
      const token = createToken(env.random, 'api');
      const now = new Date(clock.wallMs());
      const name = `${role}-${calls++}`;
      await database.run(
        sql`with a as (insert into accounts (name, role, created_at) values (${name}, ${role}, ${now}) returning id)
            insert into api_tokens (account, name, token_hash, created_at) select id, 'test', ${hashToken(token)}, ${now} from a`,
      );
      return token;
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(https.map(({ app }) => app.close()));
    },
  };
}

/**
 * Gives what registers tests of the API: each runs on the PostgreSQL of the packages, on Debian's (skipped where there is none), and with two control
 * planes that are asked in turn. All tests of a file share the clusters, and each has a database of its own.
 */
export function apiTests(): (name: string, body: (api: TestApi, context: TestContext) => Promise<void>) => void {
  const clusters = new Map<Variant, Promise<TestCluster>>();
  const debian = debianPostgres();
  const clusterOf = (variant: Variant): Promise<TestCluster> => {
    const key = variant === 'two control planes' ? 'embedded' : variant;
    const found = clusters.get(key) ?? startTestCluster(key === 'embedded' ? undefined : (debian ?? undefined));
    clusters.set(key, found);
    return found;
  };
  after(async () => {
    for (const cluster of clusters.values()) await (await cluster)[Symbol.asyncDispose]();
  });
  return (name, body) => {
    for (const variant of VARIANTS) {
      const skip = variant === "Debian's PostgreSQL" && debian === null ? 'needs postgresql' : false;
      test(`${name} (${variant})`, { skip }, async (context) => {
        await using api = await openApi(await clusterOf(variant), variant === 'two control planes' ? 2 : 1);
        await body(api, context);
        assert.deepEqual(
          api.events.filter(({ event }) => event === 'request.failed'),
          [],
        );
      });
    }
  };
}

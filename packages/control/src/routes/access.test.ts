import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from '../database/database.ts';
import { type CallerKind, mayAsk, type Route } from '../http/route.ts';
import { csrfToken, hashToken } from '../http/tokens.ts';
import { apiTests, type TestApi, type TestCall } from '../testing/test-api.ts';
import { enrolTestRelay } from '../testing/test-relay.ts';
import { ROUTES } from './routes.ts';

const apiTest = apiTests();
const KINDS: readonly CallerKind[] = ['anyone', 'setup', 'operator', 'analyst', 'partner', 'relay'];

/** Who may ask what, written a second time by hand: a change there has to be meant. */
const EXPECTED = `
anyone                          GET /healthz
anyone                          POST /login/link
anyone                          POST /login
anyone                          POST /login/passkey/challenge
anyone                          POST /login/passkey
anyone                          POST /relays/enrol
setup operator analyst partner  POST /logout
setup operator analyst partner  GET /me
setup operator analyst partner  POST /me/totp
setup operator analyst partner  PUT /me/password
setup operator analyst partner  POST /me/passkeys/challenge
setup operator analyst partner  POST /me/passkeys
operator analyst partner        GET /tokens
operator analyst partner        POST /tokens
operator analyst partner        DELETE /tokens/:id
operator analyst                GET /network
operator analyst                GET /publication
operator analyst                GET /channels
operator analyst                GET /relays
operator analyst                GET /relays/:relay
operator                        GET /accounts
operator                        POST /accounts
operator                        POST /accounts/:account/link
operator                        DELETE /accounts/:account
operator                        GET /audit
operator                        POST /channels
operator                        GET /channels/:channel
operator                        DELETE /channels/:channel
operator                        PUT /network
operator                        GET /channels/:channel/buckets/:number/brand
operator                        POST /channels/:channel/buckets/:number/key
operator                        GET /enrolment-tokens
operator                        POST /enrolment-tokens
operator                        DELETE /enrolment-tokens/:id
operator                        POST /relays/:relay/enrolment-token
operator                        POST /relays/:relay/test
operator                        POST /relays/:relay/serve
operator                        POST /relays/:relay/discover
operator                        POST /relays/:relay/hide
operator                        POST /relays/:relay/drain
operator                        POST /relays/:relay/retire
operator                        PUT /relays/:relay/burns/:country
operator                        DELETE /relays/:relay/burns/:country
operator                        PUT /relays/:relay/channels/:channel
operator                        DELETE /relays/:relay/channels/:channel
operator                        POST /relays/:relay/channels/:channel/secret
operator                        GET /relays/:relay/channels/:channel/entry
relay                           POST /relays/report
relay                           GET /relays/self/settings
relay                           POST /relays/self/credential
relay                           PUT /relays/self/keys
`;

function nameOf({ method, path }: Route): string {
  return `${method} ${path}`;
}

test('each route is for whom it should be', () => {
  const actual = ROUTES.map((route) => `${route.access.join(' ')}  ${nameOf(route)}`);
  const expected = EXPECTED.trim()
    .split('\n')
    .map((line) => line.replaceAll(/ {2,}/g, '  '));
  assert.deepEqual(actual.sort(), expected.sort());
});

/** A caller of a kind, made for one request: some requests end what let them in. */
async function callerOf(api: TestApi, kind: CallerKind, operator: string): Promise<TestCall> {
  if (kind === 'anyone') return {};
  if (kind === 'relay') {
    const token = 'rozan-relay-of-the-test';
    await api.database.run(sql`update relays set credential_hash = ${hashToken(token)}`);
    return { as: token };
  }
  if (kind !== 'setup') return { as: kind === 'operator' ? operator : await api.token(kind) };
  const token = 'rozan-session-of-the-test';
  const now = new Date(api.clock.wallMs());
  await api.database.run(
    sql`insert into sessions (token_hash, account, is_setup, created_at, used_at)
        select ${hashToken(token)}, id, true, ${now}, ${now} from accounts limit 1
        on conflict (token_hash) do update set is_setup = true`,
  );
  return { headers: { cookie: `rozan-session=${token}`, 'x-rozan-csrf': csrfToken(token) } };
}

const REFUSALS: ReadonlySet<unknown> = new Set(['unauthorized', 'forbidden', 'foreign-page']);

apiTest('whoever may not ask is refused, whoever may is not: each role by each route', async (api) => {
  const operator = await api.token('operator');
  await api.ok('POST', '/channels', { as: operator, body: { channel: 'c' } });
  await enrolTestRelay(api, 1, { as: operator, channels: ['c'] });
  for (const route of ROUTES) {
    const path = route.path.replaceAll(/:[a-z]+/g, 'XX');
    for (const kind of KINDS) {
      const caller = await callerOf(api, kind, operator);
      const { status, json } = await api.call(route.method, path, { ...caller, ...(route.body ? { body: {} } : {}) });
      const isRefused = REFUSALS.has(json.error);
      assert.equal(isRefused, !mayAsk(route, kind), `${kind}: ${nameOf(route)} gave ${status} ${json.error}`);
      if (isRefused) assert.equal(status, kind === 'anyone' ? 401 : 403);
    }
  }
});

apiTest('what lets nobody in is refused like nothing, and opens nothing', async (api) => {
  for (const authorization of ['Bearer rozan-api-x', 'Bearer rozan-relay-x', 'Basic eDp5', 'Bearer', 'Bearer a b']) {
    assert.equal((await api.call('GET', '/relays', { headers: { authorization } })).status, 401, authorization);
  }
  assert.equal((await api.call('GET', '/relays', { headers: { cookie: 'rozan-session=x' } })).status, 401);
});

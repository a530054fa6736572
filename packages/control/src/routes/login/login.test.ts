import assert from 'node:assert/strict';
import { generate } from 'otplib';
import { createFirstAccount } from '../../people/accounts.ts';
import { apiTests, type TestApi } from '../../testing/test-api.ts';
import { TestAuthenticator } from '../../testing/test-authenticator.ts';

const apiTest = apiTests();
const MINUTE = 60_000;
const PASSWORD = 'correct horse battery staple';
const SITE = { origin: 'http://localhost', host: 'localhost' };

/** A browser that keeps the cookie and knows the page's token. */
async function comeByLink(api: TestApi, token: string) {
  const { status, json, cookie } = await api.call('POST', '/login/link', { body: { token } });
  assert.equal(status, 200);
  return { cookie: cookie ?? '', 'x-rozan-csrf': String(json.csrf) };
}

function codeOf(api: TestApi, secret: string): Promise<string> {
  return generate({ secret, epoch: Math.floor(api.clock.wallMs() / 1000) });
}

async function firstLink(api: TestApi): Promise<string> {
  const token = await createFirstAccount({
    database: api.database,
    clock: api.clock,
    random: { bytes: (count) => Buffer.alloc(count, 5), fraction: () => 0 },
  });
  assert.ok(token !== null);
  return token;
}

async function withPassword(api: TestApi): Promise<string> {
  const headers = await comeByLink(api, await firstLink(api));
  const { secret } = await api.ok('POST', '/me/totp', { headers });
  await api.ok('PUT', '/me/password', { headers, body: { password: PASSWORD, code: await codeOf(api, secret) } });
  return secret;
}

apiTest('a link lets in once, to choose what to log in with and to do nothing else', async (api) => {
  const token = await firstLink(api);
  const headers = await comeByLink(api, token);
  assert.equal((await api.call('POST', '/login/link', { body: { token } })).status, 401);
  assert.equal((await api.ok('GET', '/me', { headers })).mustSetUp, true);
  assert.equal((await api.call('GET', '/relays', { headers })).status, 403);
  const { secret, uri } = await api.ok('POST', '/me/totp', { headers });
  assert.match(uri, /^otpauth:\/\/totp\/Rozan/);
  const wrong = { password: PASSWORD, code: '000000' };
  assert.equal((await api.call('PUT', '/me/password', { headers, body: wrong })).status, 400);
  await api.ok('PUT', '/me/password', { headers, body: { password: PASSWORD, code: await codeOf(api, secret) } });
  assert.deepEqual(await api.ok('GET', '/relays', { headers }), []);
});

apiTest('a password and a code let in; a code does so once, and a wrong one never', async (api) => {
  const secret = await withPassword(api);
  const login = (code: string, password = PASSWORD) =>
    api.call('POST', '/login', { body: { name: 'operator', password, code } });
  assert.equal((await login(await codeOf(api, secret))).status, 401, 'it was used to choose the password');
  api.clock.setWallMs(api.clock.wallMs() + MINUTE);
  const code = await codeOf(api, secret);
  assert.equal((await login(code, 'wrong horse battery staple')).status, 401);
  const [first, second] = await Promise.all([login(code), login(code)]);
  assert.deepEqual([first.status, second.status].sort(), [200, 401]);
  assert.equal((await login(code)).status, 401);
});

apiTest('an account waits after five failures, even for who knows the password', async (api) => {
  const secret = await withPassword(api);
  api.clock.setWallMs(api.clock.wallMs() + MINUTE);
  const body = async () => ({ name: 'operator', password: PASSWORD, code: await codeOf(api, secret) });
  for (let count = 0; count < 5; count += 1) {
    await api.call('POST', '/login', { body: { ...(await body()), password: 'wrong' } });
  }
  assert.equal((await api.call('POST', '/login', { body: await body() })).status, 401);
  api.clock.setWallMs(api.clock.wallMs() + MINUTE);
  await api.ok('POST', '/login', { body: await body() });
});

apiTest('a passkey lets in, for a challenge that was asked and only once', async (api) => {
  const headers = await comeByLink(api, await firstLink(api));
  const key = new TestAuthenticator('a key of the tests', SITE);
  const { challenge } = await api.ok('POST', '/me/passkeys/challenge', { headers });
  const foreign = new TestAuthenticator('another', { origin: 'https://evil.example', host: 'evil.example' });
  assert.equal((await api.call('POST', '/me/passkeys', { headers, body: foreign.register(challenge) })).status, 400);
  await api.ok('POST', '/me/passkeys', { headers, body: key.register(challenge) });
  assert.equal((await api.ok('GET', '/me', { headers })).passkeys, 1);

  const asked = await api.ok('POST', '/login/passkey/challenge');
  const shown = key.show(asked.challenge);
  const forged = new TestAuthenticator('a key of the tests', SITE).show(asked.challenge);
  assert.equal((await api.call('POST', '/login/passkey', { body: forged })).status, 401);
  await api.ok('POST', '/login/passkey', { body: shown });
  assert.equal((await api.call('POST', '/login/passkey', { body: shown })).status, 401);
  assert.equal((await api.call('POST', '/login/passkey', { body: key.show('bm90IGFza2Vk') })).status, 401);
  const late = await api.ok('POST', '/login/passkey/challenge');
  api.clock.setWallMs(api.clock.wallMs() + 6 * MINUTE);
  assert.equal((await api.call('POST', '/login/passkey', { body: key.show(late.challenge) })).status, 401);
});

apiTest("a session ends of itself, and a change needs our own page's header and origin", async (api) => {
  const headers = await comeByLink(api, await firstLink(api));
  const { cookie, ...rest } = headers;
  assert.equal((await api.call('POST', '/me/totp', { headers: { cookie } })).json.error, 'foreign-page');
  const evil = { ...headers, origin: 'https://evil.example' };
  assert.equal((await api.call('POST', '/me/totp', { headers: evil })).json.error, 'foreign-page');
  await api.ok('POST', '/me/totp', {
    headers: { cookie, ...rest, host: 'localhost:80', origin: 'http://localhost:80' },
  });
  api.clock.setWallMs(api.clock.wallMs() + 29 * MINUTE);
  await api.ok('GET', '/me', { headers });
  api.clock.setWallMs(api.clock.wallMs() + 29 * MINUTE);
  await api.ok('GET', '/me', { headers });
  api.clock.setWallMs(api.clock.wallMs() + 31 * MINUTE);
  assert.equal((await api.call('GET', '/me', { headers })).status, 401);
});

apiTest('an account that is disabled, and a token that is removed or too old, let nobody in', async (api) => {
  const as = await api.token('operator');
  const { link } = await api.ok('POST', '/accounts', { as, body: { name: 'ann', role: 'operator' } });
  const headers = await comeByLink(api, link.split('#')[1]);
  const { secret } = await api.ok('POST', '/me/totp', { headers });
  await api.ok('PUT', '/me/password', { headers, body: { password: PASSWORD, code: await codeOf(api, secret) } });
  const short = await api.ok('POST', '/tokens', { headers, body: { name: 'a script', days: 1 } });
  const other = await api.ok('POST', '/tokens', { headers, body: { name: 'another', days: 30 } });
  await api.ok('GET', '/relays', { as: short.token });
  api.clock.setWallMs(api.clock.wallMs() + 24 * 60 * MINUTE);
  assert.equal((await api.call('GET', '/relays', { as: short.token })).status, 401);
  await api.ok('GET', '/relays', { as: other.token });
  assert.equal((await api.call('DELETE', '/accounts/ann', { as: other.token })).status, 409);
  await api.ok('DELETE', '/accounts/ann', { as });
  assert.equal((await api.call('GET', '/relays', { as: other.token })).status, 401);
  const lines: { actor: string; action: string }[] = await api.ok('GET', '/audit', { as });
  assert.ok(lines.some(({ actor, action }) => actor === 'ann' && action === 'token add'));
});

apiTest('the audit log cannot be changed or emptied', async (api) => {
  const as = await api.token('operator');
  await api.ok('POST', '/channels', { as, body: { channel: 'a' } });
  const run = (text: string) => api.database.run({ text, values: [] });
  for (const text of ["update audit set actor = 'x'", 'delete from audit', 'truncate audit']) {
    await assert.rejects(run(text), /added to, and never changed/);
  }
});

import assert from 'node:assert/strict';
import { parseServerEntry, parseShareLink } from '@rozan/protocol';
import { apiTests, type TestApi } from '../../testing/test-api.ts';
import { enrolTestRelay, relayIdentity, TEST_REPORT, type TestRelay } from '../../testing/test-relay.ts';

const apiTest = apiTests();
const HOUR = 3_600_000;

async function network(api: TestApi): Promise<string> {
  const as = await api.token('operator');
  await api.ok('POST', '/channels', { as, body: { channel: 'default', buckets: 4 } });
  return as;
}

async function serve(api: TestApi, as: string, name: string): Promise<void> {
  await api.ok('POST', `/relays/${name}/test`, { as, body: { passed: true } });
  await api.ok('POST', `/relays/${name}/serve`, { as });
}

apiTest('a relay from its enrolment to its end', async (api) => {
  const as = await network(api);
  const relay = await enrolTestRelay(api, 1, { as, channels: ['default'] });
  assert.equal((await api.call('POST', '/relays/relay-1/serve', { as })).status, 409, 'it has to be tested first');
  await serve(api, as, relay.name);
  const own = { as: relay.credential };
  const settings = await api.ok('GET', '/relays/self/settings', own);
  assert.equal(settings.state, 'serving');
  assert.equal(settings.channels[0].id, 'default');
  const { settingsVersion } = await api.ok('POST', '/relays/report', { ...own, body: TEST_REPORT });
  assert.equal(settingsVersion, settings.version);

  const { link } = await api.ok('GET', '/relays/relay-1/channels/default/entry', { as });
  const { entry } = parseServerEntry(parseShareLink(link));
  assert.equal(entry.relay, relay.id);
  assert.equal(entry.secret.toString('base64url'), settings.channels[0].accessSecret);
  assert.equal(entry.signer.toString('base64url'), api.signer.publicKey);

  await api.ok('POST', '/relays/relay-1/drain', { as });
  assert.equal((await api.ok('GET', '/relays/self/settings', own)).isDraining, true);
  await api.ok('POST', '/relays/relay-1/retire', { as });
  const end = await api.ok('GET', '/relays/self/settings', own);
  assert.deepEqual([end.state, end.isDraining, end.channels, end.siblings], ['retired', true, [], []]);
  assert.equal((await api.ok('POST', '/relays/report', { ...own, body: TEST_REPORT })).settingsVersion, end.version);
  const { id: _, ...keys } = relayIdentity(2);
  assert.equal((await api.call('POST', '/relays/self/credential', own)).status, 409);
  assert.equal((await api.call('PUT', '/relays/self/keys', { ...own, body: keys })).status, 409);
  const actions = (await api.ok('GET', '/audit', { as })).map((line: { action: string }) => line.action).reverse();
  assert.deepEqual(actions, [
    'channel add',
    'enrolment add',
    'POST /relays/enrol',
    'relay test-result',
    'relay serve',
    'relay drain',
    'relay retire',
  ]);
});

apiTest('a token enrols one relay, and the same one again when the reply was lost', async (api) => {
  const as = await network(api);
  const { token } = await api.ok('POST', '/enrolment-tokens', { as, body: { name: 'a', channels: ['default'] } });
  const { id: _, ...identity } = relayIdentity(1);
  const { id: _other, ...other } = relayIdentity(2);
  const first = await api.ok('POST', '/relays/enrol', { body: { token, ...identity } });
  const second = await api.ok('POST', '/relays/enrol', { body: { token, ...identity } });
  assert.notEqual(first.credential, second.credential);
  assert.deepEqual(first.settings.channels, second.settings.channels);
  assert.equal((await api.call('GET', '/relays/self/settings', { as: first.credential })).status, 401);
  assert.equal((await api.call('POST', '/relays/enrol', { body: { token, ...other } })).status, 401);
  const late = await api.ok('POST', '/enrolment-tokens', { as, body: { name: 'b', channels: ['default'] } });
  api.clock.setWallMs(api.clock.wallMs() + 8 * 24 * HOUR);
  assert.equal((await api.call('POST', '/relays/enrol', { body: { token: late.token, ...other } })).status, 401);
  // Another's token does not take over a relay that is enrolled.
  const theirs = await api.ok('POST', '/enrolment-tokens', { as, body: { name: 'c', channels: ['default'] } });
  assert.equal((await api.call('POST', '/relays/enrol', { body: { token: theirs.token, ...identity } })).status, 409);
});

apiTest(
  'a relay that has lost its credential enrols again when an operator says so, and is the relay that it was',
  async (api) => {
    const as = await network(api);
    const a = await enrolTestRelay(api, 1, { as, channels: ['default'] });
    const b = await enrolTestRelay(api, 2, { as, channels: ['default'] });
    await serve(api, as, a.name);
    await serve(api, as, b.name);
    const before = await api.ok('GET', '/relays/self/settings', { as: a.credential });
    const of = async (credential: string) => await api.ok('GET', '/relays/self/settings', { as: credential });
    const version = (await of(b.credential)).version;
    const { id: _, ...identity } = relayIdentity(1);
    const { id: _other, ...other } = relayIdentity(3);
    const renew = async () => (await api.ok('POST', '/relays/relay-1/enrolment-token', { as })).token;
    const enrol = (token: string, body: object) => api.call('POST', '/relays/enrol', { body: { token, ...body } });
    const unused = await renew();
    const token = await renew();
    assert.equal((await of(a.credential)).version, before.version, 'nothing has happened to it yet');
    assert.equal((await enrol(unused, identity)).status, 401, 'one at a time');
    assert.equal((await enrol(token, other)).status, 401, 'it is for the relay with that key');
    const moved = { ...identity, transports: [{ transport: 'opaque', addresses: ['192.0.2.99:443'], params: {} }] };
    const { status, json } = await enrol(token, moved);
    assert.equal(status, 200);
    assert.deepEqual([json.settings.relay, json.settings.state], [a.id, 'serving']);
    assert.deepEqual([json.settings.channels, json.settings.siblings.length], [before.channels, 1]);
    assert.equal((await api.call('GET', '/relays/self/settings', { as: a.credential })).status, 401);
    assert.equal((await of(json.credential)).relay, a.id);
    const told = await of(b.credential);
    assert.ok(told.version > version, 'its sibling is told where it is now');
    assert.deepEqual(parseServerEntry(parseShareLink(told.siblings[0])).entry.transports[0]?.addresses, [
      '192.0.2.99:443',
    ]);
    await api.ok('POST', '/relays/relay-1/drain', { as });
    const late = await renew();
    await api.ok('POST', '/relays/relay-1/retire', { as });
    assert.equal((await enrol(late, identity)).status, 409, 'retired is for good');
    assert.equal((await api.call('POST', '/relays/relay-1/enrolment-token', { as })).status, 409);
  },
);

apiTest("relays get siblings on both sides, at most 12, without anybody's access secret", async (api) => {
  const as = await network(api);
  const relays: TestRelay[] = [];
  for (let number = 0; number < 15; number += 1) {
    const relay = await enrolTestRelay(api, number, { as, channels: ['default'] });
    await serve(api, as, relay.name);
    relays.push(relay);
  }
  const siblings = new Map<string, string[]>();
  for (const { id, credential } of relays) {
    const settings = await api.ok('GET', '/relays/self/settings', { as: credential });
    const entries = settings.siblings.map((link: string) => parseServerEntry(parseShareLink(link)).entry);
    for (const entry of entries) assert.equal(entry.secret.toString('hex'), '00'.repeat(32));
    siblings.set(
      id,
      entries.map((entry: { relay: string }) => entry.relay),
    );
  }
  for (const [id, others] of siblings) {
    assert.ok(others.length > 0 && others.length <= 12, `${others.length} siblings`);
    for (const other of others) assert.ok(siblings.get(other)?.includes(id));
  }
  const [first] = relays;
  assert.ok(first !== undefined);
  await api.ok('POST', `/relays/${first.name}/drain`, { as });
  for (const { id, credential } of relays) {
    const settings = await api.ok('GET', '/relays/self/settings', { as: credential });
    const count = settings.siblings.length;
    if (id === first.id) assert.equal(count, 0);
    else assert.ok(count > 0 && count <= 12);
  }
});

apiTest('an access secret is rotated: the former one is taken until its time', async (api) => {
  const as = await network(api);
  const { credential } = await enrolTestRelay(api, 1, { as, channels: ['default'] });
  const secrets = async () => (await api.ok('GET', '/relays/self/settings', { as: credential })).channels[0];
  const before = await secrets();
  await api.ok('POST', '/relays/relay-1/channels/default/secret', { as, body: { keepHours: 24 } });
  const after = await secrets();
  assert.notEqual(after.accessSecret, before.accessSecret);
  assert.equal(after.former[0].accessSecret, before.accessSecret);
  api.clock.setWallMs(api.clock.wallMs() + 24 * HOUR);
  assert.deepEqual(await secrets(), { ...after, former: [] });
  await api.ok('POST', '/relays/relay-1/channels/default/secret', { as, body: { keepHours: 0 } });
  assert.deepEqual((await secrets()).former, []);
  await api.ok('DELETE', '/relays/relay-1/channels/default', { as });
  assert.equal(await secrets(), undefined);
});

apiTest('a relay changes its own keys and credential, and stays the relay that it was', async (api) => {
  const as = await network(api);
  const a = await enrolTestRelay(api, 1, { as, channels: ['default'] });
  const b = await enrolTestRelay(api, 2, { as, channels: ['default'] });
  await serve(api, as, a.name);
  await serve(api, as, b.name);
  const { credential } = await api.ok('POST', '/relays/self/credential', { as: a.credential });
  await api.ok('POST', '/relays/report', { as: credential, body: TEST_REPORT });
  assert.equal((await api.call('GET', '/relays/self/settings', { as: a.credential })).status, 401);
  const { id, ...identity } = relayIdentity(3);
  const settings = await api.ok('PUT', '/relays/self/keys', { as: credential, body: identity });
  assert.equal(settings.relay, id);
  assert.equal((await api.ok('GET', `/relays/${a.name}`, { as })).id, id);
  const [sibling] = (await api.ok('GET', '/relays/self/settings', { as: b.credential })).siblings;
  assert.equal(parseServerEntry(parseShareLink(sibling)).entry.relay, id);
});

apiTest('whatever reply is lost while a credential is renewed, the relay is let in by one that it has', async (api) => {
  const as = await network(api);
  const first = await enrolTestRelay(api, 1, { as, channels: ['default'] });
  const report = async (credential: string) =>
    (await api.call('POST', '/relays/report', { as: credential, body: TEST_REPORT })).status;
  const renew = async (credential: string): Promise<string> =>
    (await api.ok('POST', '/relays/self/credential', { as: credential })).credential;
  const lost = await renew(first.credential);
  assert.equal(await report(first.credential), 200, 'it never got the other one');
  const second = await renew(first.credential);
  assert.equal(await report(lost), 401, 'what was lost opens nothing');
  assert.equal(await report(first.credential), 200);
  assert.equal(await report(second), 200);
  assert.equal(await report(first.credential), 401, 'the new one has been used');
  assert.equal(await report(second), 200);
});

apiTest('a secret that is rotated again and again leaves no more former ones than a relay reads', async (api) => {
  const as = await network(api);
  const { credential } = await enrolTestRelay(api, 1, { as, channels: ['default'] });
  const secrets = async () => (await api.ok('GET', '/relays/self/settings', { as: credential })).channels[0];
  let last = '';
  for (let turn = 0; turn < 20; turn += 1) {
    last = (await secrets()).accessSecret;
    await api.ok('POST', '/relays/relay-1/channels/default/secret', { as, body: { keepHours: 1000 } });
  }
  const { former } = await secrets();
  assert.equal(former.length, 16);
  assert.equal(former[0].accessSecret, last);
});

apiTest('a relay that is silent, burnt or in its window is shown so', async (api) => {
  const as = await network(api);
  const { credential } = await enrolTestRelay(api, 1, { as, channels: ['default'] });
  await serve(api, as, 'relay-1');
  await api.ok('POST', '/relays/report', { as: credential, body: TEST_REPORT });
  await api.ok('PUT', '/relays/relay-1/burns/IR', { as });
  const nowMs = api.clock.wallMs();
  const body = { from: new Date(nowMs - HOUR).toISOString(), until: new Date(nowMs + HOUR).toISOString() };
  await api.ok('POST', '/relays/relay-1/discover', { as, body });
  const [shown] = await api.ok('GET', '/relays', { as });
  assert.deepEqual([shown.state, shown.burnt, shown.isSilent], ['discoverable', ['IR'], false]);
  assert.deepEqual(shown.report, TEST_REPORT);
  api.clock.setWallMs(nowMs + 4 * 60_000);
  assert.equal((await api.ok('GET', '/relays/relay-1', { as })).isSilent, true);
  await api.ok('DELETE', '/relays/relay-1/burns/IR', { as });
  assert.equal((await api.call('DELETE', '/relays/relay-1/burns/IR', { as })).status, 404);
  await api.ok('POST', '/relays/relay-1/hide', { as });
  assert.equal((await api.ok('GET', '/relays/relay-1', { as })).state, 'serving');
});

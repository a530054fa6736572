// Certificates from a fake authority, in memory and under a clock of the test's, with a listener that strangers could meet.
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import {
  CertificateShelf,
  type CertificateState,
  dialSecure,
  type Env,
  findTransport,
  type LogEvent,
  TunnelError,
} from '@rozan/tunnel';
import { ManualClock, MemoryNetwork, SeededRandom } from '@rozan/tunnel/testing';
import { createResolver } from '../egress/resolver.ts';
import type { CertificateRecord, CertificateStore } from './certificate-file.ts';
import { createCertificateKeeper } from './certificate-keeper.ts';
import { type FakeAcme, startFakeAcme } from './testing/fake-acme.ts';

const NAME = 'www.example.org';
const ROOT = '/somewhere/root.pem';
const DAY_MS = 86_400_000;

/** Keeps what was written as JSON, as a disk does; fails from some write on, as a program that is killed. */
class MemoryStore implements CertificateStore {
  writesLeft = Number.POSITIVE_INFINITY;
  root = '';
  #text: string | null = null;

  async read(_name: string, directory: string): Promise<CertificateRecord> {
    return this.#text === null ? { directory, account: null, order: null, identity: null } : JSON.parse(this.#text);
  }

  async readRoot(path: string): Promise<string> {
    assert.equal(path, ROOT);
    return this.root;
  }

  async write(_name: string, record: CertificateRecord): Promise<void> {
    if (this.writesLeft <= 0) throw new Error('killed');
    this.writesLeft -= 1;
    this.#text = JSON.stringify(record);
  }
}

/** A listener that wants a certificate, and an authority. */
class World implements AsyncDisposable {
  readonly clock = new ManualClock(Date.UTC(2026, 10, 27));
  readonly store = new MemoryStore();
  readonly shelf = new CertificateShelf();
  readonly events: LogEvent[] = [];
  readonly shown: (readonly CertificateState[])[] = [];
  readonly env: Env;
  readonly #stack = new AsyncDisposableStack();
  #keeper: AsyncDisposable | null = null;
  #acme: FakeAcme | null = null;
  #port = 0;

  constructor() {
    const network = new MemoryNetwork({ clock: this.clock });
    this.env = {
      network,
      clock: this.clock,
      random: new SeededRandom(8),
      log: (event) => void this.events.push(event),
    };
  }

  static async start(): Promise<World> {
    const world = new World();
    world.#acme = await startFakeAcme(world.env, () => ({ host: '127.0.0.1', port: world.#port }));
    world.#stack.defer(() => world.acme.close());
    world.store.root = world.acme.serverRoot;
    const transport = findTransport('websocket') ?? assert.fail();
    const { directory } = world.acme;
    const settings = await transport.createSettings(world.env.random, {
      tls: 'acme',
      host: NAME,
      'acme-directory': directory,
      'acme-root': ROOT,
    });
    assert.equal(transport.certificateOrderOf?.(transport.parseSettings(settings))?.directory, directory);
    const listener = await transport.listen(world.env, {
      address: { host: '127.0.0.1', port: 0 },
      settings,
      onConn: () => {},
      certificates: world.shelf,
    });
    world.#port = listener.address.port;
    world.#stack.defer(() => listener.close());
    return world;
  }

  get acme(): FakeAcme {
    return this.#acme ?? assert.fail();
  }

  /** Runs a keeper until an event of this kind. */
  async runUntil(event: string, limitMs: number): Promise<LogEvent> {
    const before = this.events.length;
    this.begin();
    const limit = this.clock.monotonicMs() + limitMs;
    const stepMs = Math.max(1000, limitMs / 200);
    for (;;) {
      const found = this.events.slice(before).find((each) => each.event === event);
      if (found !== undefined) return found;
      assert.ok(this.clock.monotonicMs() < limit, `no ${event}: ${JSON.stringify(this.events)}`);
      await this.clock.advance(stepMs);
    }
  }

  begin(): void {
    this.#keeper ??= createCertificateKeeper(this.env, {
      store: this.store,
      orders: [{ name: NAME, directory: this.acme.directory, root: ROOT }],
      resolver: createResolver(this.clock, { lookup: async () => ({ addresses: ['127.0.0.1'], ttlMs: null }) }),
      show: async (states) => {
        this.shown.push(states);
        this.shelf.set(states);
      },
    });
  }

  async end(): Promise<void> {
    await this.#keeper?.[Symbol.asyncDispose]();
    this.#keeper = null;
  }

  /** The serial number of the certificate that visitors meet, if the authority has issued it; null if it has not. */
  async meet(): Promise<string | null> {
    const { identity } = this.shelf.stateOf(NAME);
    const pem = identity?.certificate ?? this.acme.issuerRoot;
    const certificate = new X509Certificate(pem);
    // By its pin, as what the authority issues under this clock need not be valid by the machine's.
    const pin = createHash('sha256').update(certificate.raw).digest('base64url');
    const options = { sni: NAME, pin, alpn: ['http/1.1'] };
    const conn = await dialSecure(this.env, { host: '127.0.0.1', port: this.#port }, options).catch(
      (error: unknown) => {
        assert.ok(error instanceof TunnelError && error.code === 'not-authentic', String(error));
        return null;
      },
    );
    conn?.destroy();
    if (conn === null) return null;
    assert.ok(certificate.verify(new X509Certificate(this.acme.issuerRoot).publicKey));
    return certificate.serialNumber;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    await this.#stack.disposeAsync();
  }
}

test('a certificate is got by TLS-ALPN-01 at the listener itself, and the challenge is shown only while one is expected', async () => {
  await using world = await World.start();
  assert.equal(await world.meet(), null);
  const { name, expires } = await world.runUntil('certificate.issued', 60_000);
  assert.equal(name, NAME);
  assert.ok(Number(expires) * 1000 > world.clock.wallMs() + 80 * DAY_MS);
  assert.notEqual(await world.meet(), null);
  const pending = world.shown.map(([state]) => state?.challenge !== null);
  assert.deepEqual(pending, [true, false]);
});

test('a certificate is renewed when a third of its life is left, and the same account is used', async () => {
  await using world = await World.start();
  await world.runUntil('certificate.issued', 60_000);
  const first = await world.meet();
  await world.clock.advance(54 * DAY_MS);
  assert.equal(world.acme.issued, 1);
  await world.runUntil('certificate.issued', 7 * DAY_MS);
  assert.equal(world.acme.issued, 2);
  assert.equal(world.acme.accounts, 1);
  const second = await world.meet();
  assert.ok(second !== null && second !== first);
  await world.end();
  // A start with a good certificate asks nobody.
  const asked = world.acme.requests.length;
  world.begin();
  await world.clock.advance(DAY_MS);
  assert.equal(world.acme.requests.length, asked);
});

test('refused nonces are replaced, and an authority that takes its time is waited for', async () => {
  await using world = await World.start();
  Object.assign(world.acme.unkindness, { badNonces: 3, slowness: 4 });
  await world.runUntil('certificate.issued', 120_000);
  assert.notEqual(await world.meet(), null);
  assert.equal(world.events.length, 1);
});

test('nonces that are always refused are no endless loop', async () => {
  await using world = await World.start();
  world.acme.unkindness.badNonces = 1000;
  const { reason, problem } = await world.runUntil('certificate.failed', 60_000);
  assert.deepEqual([reason, problem], ['refused', 'badNonce']);
  assert.ok(world.acme.requests.length < 20);
});

for (const [form, waitOf] of [
  ['7200', () => '7200'],
  ['a date', (clock: ManualClock) => new Date(clock.wallMs() + 7_200_000).toUTCString()],
] as const) {
  test(`a limit of the authority is kept to: Retry-After as ${form}`, async () => {
    await using world = await World.start();
    world.acme.unkindness.rateLimit = waitOf(world.clock);
    const { reason, problem, retryMs, remedy } = await world.runUntil('certificate.failed', 60_000);
    assert.deepEqual([reason, problem], ['rate-limited', 'rateLimited']);
    assert.match(String(remedy), /Wait/);
    assert.ok(Number(retryMs) > 7_190_000 && Number(retryMs) < 7_600_000, String(retryMs));
    world.acme.unkindness.rateLimit = null;
    const asked = world.acme.requests.length;
    await world.clock.advance(7_100_000);
    assert.equal(world.acme.requests.length, asked);
    await world.runUntil('certificate.issued', 700_000);
  });
}

test('a challenge that fails says what to look at, is tried again ever more rarely, and names no address', async () => {
  await using world = await World.start();
  world.acme.unkindness.failsChallenges = true;
  const first = await world.runUntil('certificate.failed', 60_000);
  assert.deepEqual([first.reason, first.problem], ['not-validated', 'connection']);
  assert.match(String(first.remedy), /port 443/);
  for (let hour = 0; hour < 24; hour++) await world.clock.advance(DAY_MS / 24);
  const failures = world.events.filter(({ event }) => event === 'certificate.failed');
  assert.ok(failures.length >= 4 && failures.length <= 10, String(failures.length));
  assert.ok(Number(failures.at(-1)?.retryMs) > 5 * Number(first.retryMs));
  assert.doesNotMatch(JSON.stringify(world.events), /192\.0\.2/);
  assert.equal(world.shelf.stateOf(NAME).challenge, null);
  world.acme.unkindness.failsChallenges = false;
  await world.runUntil('certificate.issued', DAY_MS);
  assert.notEqual(await world.meet(), null);
});

test('while renewing fails, what there is goes on being served', async () => {
  await using world = await World.start();
  await world.runUntil('certificate.issued', 60_000);
  const before = await world.meet();
  world.acme.unkindness.silentTo = () => true;
  await world.clock.advance(54 * DAY_MS);
  assert.equal((await world.runUntil('certificate.failed', 10 * DAY_MS)).reason, 'unreachable');
  assert.equal(await world.meet(), before);
});

test('an order or account that the authority has forgotten is made anew', async () => {
  await using world = await World.start();
  world.acme.unkindness.silentTo = (path) => path.startsWith('/finalize');
  assert.equal((await world.runUntil('certificate.failed', 120_000)).reason, 'unreachable');
  world.acme.unkindness.silentTo = () => false;
  world.acme.forgetOrders();
  await world.runUntil('certificate.issued', DAY_MS);
  world.acme.forgetAccounts();
  await world.clock.advance(54 * DAY_MS);
  await world.runUntil('certificate.issued', 9 * DAY_MS);
  assert.equal(world.acme.issued, 2);
  assert.equal(world.acme.accounts, 2);
  assert.notEqual(await world.meet(), null);
});

test('a relay that is killed at any write goes on with the same order: nothing is ordered twice, and no key is lost', async () => {
  for (let writes = 1; writes <= 4; writes++) {
    await using world = await World.start();
    world.store.writesLeft = writes;
    world.begin();
    await world.clock.advance(30_000);
    const isDone = world.acme.issued > 0 && (await world.store.read(NAME, '')).identity !== null;
    await world.end();
    world.store.writesLeft = Number.POSITIVE_INFINITY;
    if (isDone) continue;
    await world.runUntil('certificate.issued', 60_000);
    assert.notEqual(await world.meet(), null);
    const orders = world.acme.requests.filter((request) => request === 'POST /order');
    // An order whose URL could not be kept is lost, and is the only one.
    assert.equal(orders.length, writes === 2 ? 2 : 1, `killed after ${writes} writes`);
    assert.equal(world.acme.accounts, 1);
  }
});

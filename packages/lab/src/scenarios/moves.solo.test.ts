// One transfer each way in one session, while a censor takes away whatever the session uses: transport after transport, then its relay's address.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatHostPort } from '@rozan/protocol';
import { createEnv } from '@rozan/tunnel';
// biome-ignore lint/correctness/useImportExtensions: the rule would have the declarations imported.
import { runTransfer, startOrigin } from '../../../../bench/integrity.mjs';
import { createMiddlebox } from '../censor/middlebox.ts';
import { type Policy, parsePolicyFile } from '../censor/policy-file.ts';
import { type Program, type ProgramEvent, startProgram } from '../testing/program.ts';
import { addSibling, makeRelay, type RelayWay, type SiblingProgram, startRelay } from '../testing/sibling-programs.ts';
import { findCommand, needs } from '../testing/tools.ts';
import { freePort } from '../testing/worker-relay.ts';
import { createScratchFolder } from '../world.ts';

const MB = 200;
const BYTES = MB * 1e6;
/** Of the direction that is ahead: there the censor takes away what is in use. */
const BLOCKED_AT = [0.15, 0.3, 0.5, 0.7];
/** What each transport has to carry at least, each way, for the session to have moved through it. */
const LEAST_CARRIED_BYTES = 2e6;

const OBFS4 = findCommand('obfs4proxy') ?? '';
/** In the order in which they stand in the entry, and the ports by which the censor knows them. */
const TRANSPORTS = [
  { transport: 'opaque', seenPort: 9001 },
  { transport: 'websocket', seenPort: 443 },
  { transport: 'http', seenPort: 80 },
  { transport: 'pluggable', seenPort: 9002, options: `,exec=${OBFS4},method=obfs4` },
] as const;
const USER_HOST = '198.51.100.20';
const HOME_HOST = '203.0.113.5';
const OTHER_HOST = '203.0.113.77';

/** A censor's list: whatever matches is reset, at once and from then on. */
function blocking(when: readonly string[]): Policy[] {
  if (when.length === 0) return [];
  return parsePolicyFile(
    `
id: moves
name: what was in use is blocked
country: XX
dates: never
source: [{ ref: none, certainty: I }]
rules: [${when.map((condition) => `{ name: in-use, when: { ${condition} }, do: { reset: both } }`).join(', ')}]
hits: [{ traffic: tls }]
`,
    'moves',
  );
}

interface World extends AsyncDisposable {
  readonly originPort: number;
  readonly home: SiblingProgram;
  readonly other: SiblingProgram;
  readonly client: Program;
  block(when: readonly string[]): void;
}

/** Two sibling relays and a client, all programs, and the censor between the client and both. The client's session is with the home. */
async function startWorld(): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const scratch = stack.use(await createScratchFolder());
  const origin = await startOrigin();
  stack.defer(() => origin.stop());
  const box = stack.use(createMiddlebox([], createEnv({ log: () => {} })));
  const wayOf = async (transport: string, seenAs: { readonly host: string; readonly port: number }, options = '') => {
    const port = await freePort();
    const route = box.routeFor(USER_HOST);
    const reachableAt = formatHostPort(await route({ actual: { host: '127.0.0.1', port }, seenAs }));
    return { transport, port, reachableAt, options };
  };
  const ways: RelayWay[] = [];
  for (const { transport, seenPort, ...rest } of TRANSPORTS) {
    ways.push(await wayOf(transport, { host: HOME_HOST, port: seenPort }, 'options' in rest ? rest.options : ''));
  }
  const made = {
    home: await makeRelay(join(scratch.path, 'home'), ways),
    other: await makeRelay(join(scratch.path, 'other'), [await wayOf('websocket', { host: OTHER_HOST, port: 443 })]),
  };
  await addSibling(made.other, made.home);
  await addSibling(made.home, made.other);
  const options = { workers: 1, originPort: origin.port };
  const home = await startRelay(made.home, options);
  stack.use(home.program);
  const clientArgs = ['client', '--entry', '-', '--socks', '127.0.0.1:0', '--http', '127.0.0.1:0'];
  const input = `${made.home.link}\n${made.other.link}`;
  // It finds nobody but the home.
  const client = stack.use(await startProgram([...clientArgs, '--pt', `obfs4=${OBFS4}`], { input }));
  const other = await startRelay(made.other, options);
  stack.use(other.program);
  const running = stack.move();
  return {
    ...{ originPort: origin.port, home, other, client },
    block: (when) => box.setPolicies(blocking(when)),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** How far a transfer is, and who waits for it to get somewhere. */
class Progress {
  #share = 0;
  #waiting: { readonly share: number; readonly resolve: () => void }[] = [];

  note(share: number): void {
    this.#share = Math.max(this.#share, share);
    for (const { resolve } of this.#waiting.filter((wait) => wait.share <= this.#share)) resolve();
    this.#waiting = this.#waiting.filter((wait) => wait.share > this.#share);
  }

  /** Resolves when one direction has come so far. */
  reached(share: number): Promise<void> {
    if (this.#share >= share) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ share, resolve }));
  }
}

/** Takes away the transport in use, one after the other, and at last the home's address. */
async function censor({ client, home, block }: World, progress: Progress): Promise<void> {
  const gone = new Set<unknown>();
  const isOnNew = ({ event, relay, transport, through }: ProgramEvent) =>
    event === 'carrier.attached' && relay === home.tag && (through !== undefined || !gone.has(transport));
  const blocked: string[] = [];
  for (const share of BLOCKED_AT) {
    await progress.reached(share);
    const inUse = await client.waitForEvent(isOnNew);
    assert.equal(inUse.through, undefined, 'the home itself can be reached');
    gone.add(inUse.transport);
    const place = TRANSPORTS.find(({ transport }) => transport === inUse.transport);
    const isLast = gone.size === TRANSPORTS.length;
    blocked.push(isLast ? `server: ${HOME_HOST}/32` : `server: ${HOME_HOST}/32, port: ${place?.seenPort}`);
    block(blocked);
    await client.waitForEvent(isOnNew);
  }
}

/** What the home's carriers of each kind have carried: of each transport directly, and through the sibling. */
function carriedBy(events: readonly ProgramEvent[], home: string): Map<string, { down: number; up: number }> {
  const sums = new Map<string, { down: number; up: number }>();
  for (const { event, relay, transport, through, bytesReceived, bytesSent } of events) {
    if (event !== 'carrier.lost' || relay !== home) continue;
    const kind = through === undefined ? String(transport) : `through ${through}`;
    const sum = sums.get(kind) ?? { down: 0, up: 0 };
    sums.set(kind, { down: sum.down + Number(bytesReceived), up: sum.up + Number(bytesSent) });
  }
  return sums;
}

test('200 MB each way at once outlive the blocking of each transport in turn, and of the home, byte for byte', {
  ...needs('obfs4proxy'),
  timeout: 300_000,
}, async () => {
  await using world = await startWorld();
  const { client, home, other, originPort } = world;
  const progress = new Progress();
  const onProgress = (_direction: string, bytes: number) => progress.note(bytes / BYTES);
  const transfers = runTransfer({ socks: client.text('socks'), originPort, mb: MB, onProgress });
  const [done] = await Promise.all([transfers, censor(world, progress)]);
  // Each byte was compared, and the whole hashed, there and at the origin.
  for (const { bytes } of done) assert.equal(bytes, BYTES);

  assert.ok((await other.metric('rozan_relay_forwards_total', 'outcome="forwarded"')) >= 1);
  for (const name of ['session.closed', 'stream.failed', 'proxy.refused']) {
    assert.ok(!client.events.some(({ event }) => event === name), name);
  }
  const sessions = client.events.filter(({ event, relay }) => event === 'session.opened' && relay === home.tag);
  assert.ok(
    sessions.length <= 1,
    'the home has one session with this client, be it from before the ready line or after',
  );
  // What the last carriers have carried is said at their end.
  await client.stop();
  const { through } = await client.waitForEvent(({ event }) => event === 'session.rerouted');
  assert.equal(through, other.tag);
  const carried = carriedBy(client.events, home.tag);
  const kinds = [...TRANSPORTS.map(({ transport }) => transport), `through ${other.tag}`];
  assert.deepEqual(new Set(carried.keys()), new Set(kinds));
  for (const [kind, { down, up }] of carried) {
    assert.ok(Math.min(down, up) >= LEAST_CARRIED_BYTES, `${kind}: ${down} bytes down, ${up} up`);
  }
});

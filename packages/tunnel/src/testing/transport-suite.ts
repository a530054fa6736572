import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatAddress } from '../address.ts';
import type { Env } from '../env.ts';
import { TunnelError, type TunnelErrorCode } from '../errors.ts';
import type { Conn, Listener } from '../network.ts';
import type { Transport } from '../transport.ts';
import { turnsUntil, withoutLeaks } from './leak-check.ts';
import { ManualClock } from './manual-clock.ts';
import { SeededRandom } from './seeded-random.ts';
import { endingOf, hashAll, readAll, readExactly, writeRepeatedly } from './stream-helpers.ts';

/** What the suite is run on. */
export interface TransportFixture {
  readonly transport: Transport;
  readonly env: Env;
  /** What an operator would choose of the listener. */
  readonly options?: Readonly<Record<string, string>> | undefined;
  /** How much the bulk test sends each way. */
  readonly bulkBytes: number;
  /** The most that a writer may get rid of while nobody reads: all buffers between them. */
  readonly maxBufferedBytes: number;
  /** Whether a stranger's bytes reach `onConn` untouched (a transport without a dress) or never do. */
  readonly passesGarbage: boolean;
  /** How a refused port is told, where a program between gives no reason; `refused` unless said. */
  readonly refusedCode?: TunnelErrorCode | undefined;
  /** How many connections and listeners a network without sockets has open. */
  readonly countOpen?: (() => number) | undefined;
}

/** What a client is told of it. */
type ParamsListener = Listener & { readonly params: unknown };

/** A connection made through the transport, both ends of it. */
interface Pair {
  readonly client: Conn;
  readonly server: Conn;
  readonly listener: ParamsListener;
}

interface Stage extends TransportFixture {
  readonly random: SeededRandom;
  listen(): Promise<{ listener: ParamsListener; accepted: Conn[] }>;
  connect(): Promise<Pair>;
}

const CHUNK_BYTES = 64 * 1024;

/** More than any server takes to refuse what it cannot read. */
const REFUSAL_MS = 1000;

/** Turns of the event loop without progress after which a writer is taken to have stopped. */
const STOPPED_TURNS = 300;

/**
 * What every transport has to pass, on every network. `makeFixture` is called once for each test.
 * Each test also fails if a connection or a listener is left open.
 */
export function transportSuite(name: string, makeFixture: () => TransportFixture): void {
  describe(`transport: ${name}`, () => {
    for (const [title, run] of CASES) {
      test(title, async () => {
        const fixture = makeFixture();
        await withoutLeaks(() => onStage(fixture, run));
        await turnsUntil(() => (fixture.countOpen?.() ?? 0) === 0);
        assert.equal(fixture.countOpen?.() ?? 0, 0, 'connections or listeners were left open');
      });
    }
  });
}

/** Sets the stage, and closes whatever the test has opened on it. */
async function onStage(fixture: TransportFixture, run: (stage: Stage) => Promise<void>): Promise<void> {
  const closers: (() => unknown)[] = [];
  const { env, transport } = fixture;
  const listen = async () => {
    const accepted: Conn[] = [];
    const first = Promise.withResolvers<Conn>();
    const stored: unknown = JSON.parse(
      JSON.stringify(await transport.createSettings(env.random, fixture.options ?? {})),
    );
    const settings = transport.parseSettings(stored);
    const params: unknown = JSON.parse(JSON.stringify(transport.paramsOf(settings)));
    const listener = await transport.listen(env, {
      address: { host: '127.0.0.1', port: 0 },
      settings,
      onConn: (conn) => {
        closers.push(() => conn.destroy());
        accepted.push(conn);
        first.resolve(conn);
      },
    });
    closers.push(() => listener.close());
    return { listener: { ...listener, params }, accepted, first: first.promise };
  };
  const connect = async () => {
    const { listener, first } = await listen();
    const params = transport.parseParams(listener.params);
    const client = await transport.dial(env, { address: listener.address, params });
    closers.push(() => client.destroy());
    client.write('!');
    // Not by turns: it may come through processes of their own.
    const server = await first;
    assert.equal(String(await readExactly(server, 1)), '!');
    // As in life: the listener's first word is its consent, and a transport that imitates may hold back everything until then.
    server.write('?');
    assert.equal(String(await readExactly(client, 1)), '?');
    return { client, server, listener };
  };
  try {
    await run({ ...fixture, random: new SeededRandom(1), listen, connect });
  } finally {
    for (const close of closers) await close();
    // A site refuses a moment later: under a clock of the test's that moment has to come.
    if (fixture.env.clock instanceof ManualClock) await fixture.env.clock.advance(REFUSAL_MS);
  }
}

type Case = readonly [title: string, run: (stage: Stage) => Promise<void>];

const CASES: readonly Case[] = [
  ['echoes', echo],
  ['half-close: the client ends first', (stage) => halfClose(stage, 'client')],
  ['half-close: the server ends first', (stage) => halfClose(stage, 'server')],
  ['back-pressure: a writer stops when the client does not read', (stage) => backPressure(stage, 'client')],
  ['back-pressure: a writer stops when the server does not read', (stage) => backPressure(stage, 'server')],
  ['abort while dialling leaves nothing open', abortWhileDialling],
  ['a signal aborted before dialling', abortBeforeDialling],
  ['a reset by the client is an error and not an end', (stage) => reset(stage, 'client')],
  ['a reset by the server is an error and not an end', (stage) => reset(stage, 'server')],
  ['bulk both ways at once', bulk],
  ['many small writes keep their order', smallWrites],
  ['garbage in', garbageIn],
  ['probe in: connects and sends nothing', probeSilent],
  ['probe in: connects and ends', probeEnds],
  ['a refused port is a typed error that names no address', refused],
  ['closing the listener stops new connections only', closeListener],
  ['params, settings and options that are none are refused', badParams],
];

type Side = 'client' | 'server';

async function echo({ connect, random }: Stage): Promise<void> {
  const { client, server } = await connect();
  server.pipe(server);
  const sent = random.bytes(100_000);
  client.end(sent);
  assert.deepEqual(await readAll(client), sent);
}

async function halfClose({ connect }: Stage, first: Side): Promise<void> {
  const pair = await connect();
  const [early, late] = first === 'client' ? [pair.client, pair.server] : [pair.server, pair.client];
  early.end('first');
  assert.equal(String(await readAll(late)), 'first');
  late.write('still ');
  assert.equal(String(await readExactly(early, 6)), 'still ');
  late.end('open');
  assert.equal(String(await readAll(early)), 'open');
}

async function backPressure({ connect, random, maxBufferedBytes }: Stage, reader: Side): Promise<void> {
  const pair = await connect();
  const [from, to] = reader === 'server' ? [pair.client, pair.server] : [pair.server, pair.client];
  const chunk = random.bytes(CHUNK_BYTES);
  let taken = 0;
  let written = 0;
  let idleTurns = 0;
  const onTaken = () => {
    taken += chunk.length;
    idleTurns = 0;
  };
  await turnsUntil(() => {
    idleTurns++;
    while (!from.writableNeedDrain && written <= maxBufferedBytes * 2) {
      from.write(chunk, onTaken);
      written += chunk.length;
    }
    return idleTurns > STOPPED_TURNS || taken > maxBufferedBytes;
  }, Number.POSITIVE_INFINITY);
  assert.ok(taken <= maxBufferedBytes, `the writer got rid of ${taken} bytes though nobody read`);
  from.end();
  let read = 0;
  to.on('data', (bytes: Buffer) => {
    assert.ok(bytes.equals(expectedSlice(chunk, read, bytes.length)));
    read += bytes.length;
  });
  await new Promise((resolve) => to.once('end', resolve));
  assert.equal(read, written);
}

/** Bytes `offset` … `offset + length` of `chunk` repeated for ever. */
function expectedSlice(chunk: Buffer, offset: number, length: number): Buffer {
  const start = offset % chunk.length;
  const copies = Math.ceil((start + length) / chunk.length);
  return Buffer.concat(Array.from({ length: copies }, () => chunk)).subarray(start, start + length);
}

async function abortWhileDialling({ listen, env, transport }: Stage): Promise<void> {
  const { listener, accepted } = await listen();
  const controller = new AbortController();
  const reason = new Error('changed my mind');
  const params = transport.parseParams(listener.params);
  const dialling = transport.dial(env, { address: listener.address, params, signal: controller.signal });
  controller.abort(reason);
  await assert.rejects(dialling, reason);
  await turnsUntil(() => accepted.length > 0, STOPPED_TURNS);
  await Promise.all(accepted.map((conn) => endingOf(conn)));
}

async function abortBeforeDialling({ listen, env, transport }: Stage): Promise<void> {
  const { listener, accepted } = await listen();
  const reason = new Error('never mind');
  const params = transport.parseParams(listener.params);
  const dialling = transport.dial(env, { address: listener.address, params, signal: AbortSignal.abort(reason) });
  await assert.rejects(dialling, reason);
  await turnsUntil(() => accepted.length > 0, STOPPED_TURNS);
  assert.equal(accepted.length, 0);
}

async function reset({ connect }: Stage, by: Side): Promise<void> {
  const pair = await connect();
  const [breaker, victim] = by === 'client' ? [pair.client, pair.server] : [pair.server, pair.client];
  const ending = endingOf(victim);
  assert.ok(breaker.resetAndDestroy, 'a transport of ours can reset');
  breaker.resetAndDestroy();
  assert.equal((await ending).kind, 'error');
}

async function bulk({ connect, random, bulkBytes }: Stage): Promise<void> {
  const { client, server } = await connect();
  const times = Math.ceil(bulkBytes / CHUNK_BYTES);
  const [up, down] = [random.bytes(CHUNK_BYTES), random.bytes(CHUNK_BYTES)];
  const [gotUp, gotDown, sentUp, sentDown] = await Promise.all([
    hashAll(server),
    hashAll(client),
    writeRepeatedly(client, up, times),
    writeRepeatedly(server, down, times),
  ]);
  assert.equal(gotUp, sentUp);
  assert.equal(gotDown, sentDown);
}

async function smallWrites({ connect, random }: Stage): Promise<void> {
  const { client, server } = await connect();
  const pieces = Array.from({ length: 20_000 }, () => random.bytes(1 + random.below(7)));
  const got = readAll(server);
  for (const piece of pieces) client.write(piece);
  client.end();
  assert.deepEqual(await got, Buffer.concat(pieces));
}

async function garbageIn({ listen, env, random, passesGarbage }: Stage): Promise<void> {
  const { listener, accepted } = await listen();
  const stranger = await env.network.dial(listener.address);
  const garbage = random.bytes(3000);
  stranger.end(garbage);
  await turnsUntil(() => accepted.length > 0, STOPPED_TURNS);
  const conn = accepted[0];
  assert.equal(conn !== undefined, passesGarbage);
  if (conn !== undefined) assert.deepEqual(await readAll(conn), garbage);
  stranger.destroy();
}

async function probeSilent({ listen, env, transport }: Stage): Promise<void> {
  const { listener } = await listen();
  const stranger = await env.network.dial(listener.address);
  let got = 0;
  let isOver = false;
  stranger.on('data', (bytes: Buffer) => {
    got += bytes.length;
  });
  stranger.on('end', () => {
    isOver = true;
  });
  assert.equal(await turnsUntil(() => isOver, STOPPED_TURNS), false, 'a silent stranger is not hung up on');
  if (transport.traits.silentToStrangers) assert.equal(got, 0);
  stranger.destroy();
}

async function probeEnds({ listen, env, transport, connect }: Stage): Promise<void> {
  const { listener } = await listen();
  const stranger = await env.network.dial(listener.address);
  let got = 0;
  stranger.on('data', (bytes: Buffer) => {
    got += bytes.length;
  });
  stranger.end();
  await turnsUntil(() => stranger.closed, STOPPED_TURNS);
  if (transport.traits.silentToStrangers) assert.equal(got, 0);
  stranger.destroy();
  await connect();
}

async function refused({ listen, env, transport, refusedCode = 'refused' }: Stage): Promise<void> {
  const { listener } = await listen();
  await listener.close();
  const params = transport.parseParams(listener.params);
  await assert.rejects(transport.dial(env, { address: listener.address, params }), (error: unknown) => {
    assert.ok(error instanceof TunnelError);
    assert.equal(error.code, refusedCode);
    assert.ok(!error.message.includes(listener.address.host) && !error.message.includes(String(listener.address.port)));
    assert.ok(!JSON.stringify(error, Object.getOwnPropertyNames(error)).includes(formatAddress(listener.address)));
    return true;
  });
}

async function closeListener({ connect, env, transport }: Stage): Promise<void> {
  const { client, server, listener } = await connect();
  await listener.close();
  await listener.close();
  const params = transport.parseParams(listener.params);
  await assert.rejects(transport.dial(env, { address: listener.address, params }), TunnelError);
  server.pipe(server);
  client.end('goes on');
  assert.equal(String(await readAll(client)), 'goes on');
}

async function badParams({ transport, env }: Stage): Promise<void> {
  const isBadParams = (error: unknown) => error instanceof TunnelError && error.code === 'bad-params';
  for (const input of [null, undefined, 7, 'text', [], true]) {
    assert.throws(() => transport.parseParams(input), isBadParams);
    assert.throws(() => transport.parseSettings(input), isBadParams);
  }
  await assert.rejects(transport.createSettings(env.random, { 'no-such-option': 'x' }), isBadParams);
}

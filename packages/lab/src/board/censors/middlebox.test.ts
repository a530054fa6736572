import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Conn, createEnv } from '@rozan/tunnel';
import { readExactly } from '@rozan/tunnel/testing';
import { type Origin, startOrigin } from '../../testing/origin.ts';
import { DROP, type FlowRule, PASS, RESET } from './flow-rule.ts';
import { Middlebox } from './middlebox.ts';

const env = createEnv({ log: () => {} });
const SEEN_AS = { host: '203.0.113.7', port: 443 };

interface Stand extends AsyncDisposable {
  readonly origin: Origin;
  readonly censor: Middlebox;
  dial(): Promise<Conn>;
}

/** An echo behind a censor with these rules. */
async function startStand(...rules: FlowRule[]): Promise<Stand> {
  await using stack = new AsyncDisposableStack();
  const origin = stack.use(await startOrigin((conn) => conn.pipe(conn)));
  const censor = stack.use(new Middlebox(env, rules));
  const running = stack.move();
  return {
    origin,
    censor,
    dial: async () => {
      const actual = { host: '127.0.0.1', port: origin.port };
      const conn = await env.network.dial(await censor.routeFor('198.18.0.1')({ actual, seenAs: SEEN_AS }));
      conn.on('error', () => {});
      return conn;
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

test('what no rule minds passes whole, both ways, with its end', async () => {
  await using stand = await startStand({});
  const conn = await stand.dial();
  const sent = Buffer.alloc(1_000_000, 'abc');
  conn.end(sent);
  const chunks: Buffer[] = [];
  for await (const chunk of conn) chunks.push(chunk);
  assert.ok(Buffer.concat(chunks).equals(sent));
  assert.deepEqual(stand.censor.counts(), { connections: 1, acted: 0 });
});

test('a rule sees who, where to, and each packet once', async () => {
  const seen: string[] = [];
  await using stand = await startStand({
    onOpen: ({ userHost, server }) => {
      seen.push(`${userHost} ${server.host}:${server.port}`);
      return PASS;
    },
    onPacket: (_flow, { from, bytes, index, indexInDirection }) => {
      seen.push(`${from} ${bytes} ${index} ${indexInDirection}`);
      return PASS;
    },
  });
  const conn = await stand.dial();
  conn.write('one');
  await readExactly(conn, 3);
  assert.deepEqual(seen, ['198.18.0.1 203.0.113.7:443', 'client one 0 0', 'server one 1 0']);
  conn.destroy();
});

test('a reset reaches both ends', async () => {
  const ends: (string | undefined)[] = [];
  await using stand = await startStand({ onPacket: (_flow, { from }) => (from === 'server' ? RESET : PASS) });
  const conn = await stand.dial();
  const broken = new Promise<string>((resolve) =>
    conn.once('error', (error) => resolve(String(Reflect.get(error, 'code')))),
  );
  conn.write('x');
  ends.push(await broken);
  assert.deepEqual(ends, ['ECONNRESET']);
  assert.equal(stand.censor.counts().acted, 1);
});

test('after a drop nothing comes, and nobody is told', async () => {
  const dropped = Promise.withResolvers<void>();
  await using stand = await startStand({
    onPacket: (_flow, { bytes }) => {
      if (!bytes.includes('bad')) return PASS;
      dropped.resolve();
      return DROP;
    },
  });
  const [bad, good] = [await stand.dial(), await stand.dial()];
  let isTold = false;
  for (const event of ['data', 'end', 'error', 'close']) bad.on(event, () => (isTold = true));
  bad.write('bad');
  await dropped.promise;
  good.write('fine');
  assert.equal(String(await readExactly(good, 4)), 'fine');
  assert.equal(isTold, false);
  bad.destroy();
  good.destroy();
});

test('a policed line passes no more than it should, over all connections of a user together', async () => {
  const rate = 200_000;
  await using stand = await startStand({ onOpen: () => ({ act: 'police', bytesPerSecond: rate }) });
  const conns = [await stand.dial(), await stand.dial()];
  const startMs = performance.now();
  await Promise.all(
    conns.map(async (conn) => {
      conn.write(Buffer.alloc(60_000));
      await readExactly(conn, 60_000);
    }),
  );
  const seconds = (performance.now() - startMs) / 1000;
  // Up and down are lines of their own, one after the other; a tenth of a second may burst.
  assert.ok(120_000 / seconds < rate * 1.4, `${120_000 / seconds} bytes a second`);
  for (const conn of conns) conn.destroy();
});

test('rules may change under open connections', async () => {
  await using stand = await startStand({});
  const conn = await stand.dial();
  conn.write('a');
  await readExactly(conn, 1);
  const broken = new Promise((resolve) => conn.once('close', resolve));
  stand.censor.setRules([{ onOpen: () => RESET }]);
  await broken;
});

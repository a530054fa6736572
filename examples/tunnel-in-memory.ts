// A session of a client and a relay on a network in memory, where time is ours. One stream echoes eight megabytes; every half second the
// connection under it is reset. The stream does not notice.
//
//   node examples/tunnel-in-memory.ts
import {
  type ClientAttach,
  KEY_BYTES,
  keyPairOf,
  prepareChannel,
  RecordOpener,
  RecordSealer,
  RelayHandshake,
} from '@rozan/protocol';
import {
  attachOver,
  ClientSession,
  type Conn,
  type Env,
  FixedPlan,
  NO_ROTATION,
  RelayClock,
  Session,
} from '@rozan/tunnel';
import { hashAll, ManualClock, MemoryNetwork, SeededRandom, writeRepeatedly } from '@rozan/tunnel/testing';

const RELAY = { host: '192.0.2.1', port: 443 };
const CHUNK_BYTES = 64 * 1024;
const CHUNKS = 128;
const CUT_EVERY_MS = 500;

/** What a client learns from a server entry, and what the relay knows besides. */
interface Keys {
  readonly relayKey: ReturnType<typeof keyPairOf>;
  readonly accessSecret: Buffer;
}

/** The relay's side: the handshake of each connection, and one session to which all its carriers belong. Every stream is an echo. */
async function startRelay(env: Env, { relayKey, accessSecret }: Keys): Promise<void> {
  const channels = [prepareChannel('default', accessSecret)];
  let secret: Buffer | null = null;
  const session = new Session(env, {
    role: 'relay',
    events: {
      onStream: (stream) => {
        stream.on('error', () => {});
        session.sendOpened(stream);
        stream.pipe(stream);
      },
    },
  });
  const accept = (conn: Conn) => {
    const handshake = new RelayHandshake({ relayKey, channels });
    conn.on('error', () => {});
    conn.on('data', (chunk: Buffer) => {
      const flight = handshake.receive(chunk);
      if (flight === null) return;
      conn.pause();
      conn.removeAllListeners('data');
      const attempt = flight.open();
      const { request } = attempt;
      if (request.kind === 'resume' && (secret === null || !attempt.verifyResume(secret)))
        throw new Error('not our session');
      const {
        flight: answer,
        keys,
        sessionSecret,
      } = attempt.accept({
        reply: { status: 'accepted', relayTimeMs: env.clock.wallMs(), retentionMs: 60_000 },
        paddingBytes: 0,
        random: (count) => env.random.bytes(count),
      });
      secret ??= sessionSecret;
      conn.write(answer);
      const carrierId = request.kind === 'resume' ? request.carrierId : 0;
      const [sealer, opener] = [new RecordSealer(keys.send), new RecordOpener(keys.receive)];
      // The relay puts nothing on a carrier until the client has proved, by a first record, that its handshake was no replay.
      const options = { confirmed: false, leftover: flight.leftover };
      session.addCarrier({ carrierId, transport: 'memory', conn, sealer, opener, roundTripMs: null }, options);
    });
  };
  await env.network.listen(RELAY, accept);
}

/** The client's side: how to make one carrier, and a session that makes another whenever it has lost one. */
async function connect(env: Env, { relayKey, accessSecret }: Keys): Promise<ClientSession> {
  const relayClock = new RelayClock(env.clock);
  const relay = { publicKey: relayKey.publicKey, accessSecret };
  const dial = async (nextAttach: () => ClientAttach, signal: AbortSignal) => {
    const conn = await env.network.dial(RELAY, { signal });
    return attachOver(env, conn, { relay, attach: nextAttach(), relayClock, transport: 'memory', signal });
  };
  const first = await dial(() => ({ kind: 'new' }), new AbortController().signal);
  return new ClientSession(env, first, {
    dial,
    plan: new FixedPlan(env.random, { rotation: NO_ROTATION }),
    events: {},
  });
}

async function main(): Promise<void> {
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock, latencyMs: 20 });
  const env: Env = { network, clock, random: new SeededRandom(1), log: () => {} };
  const keys = { relayKey: keyPairOf(env.random.bytes(KEY_BYTES)), accessSecret: env.random.bytes(KEY_BYTES) };
  await startRelay(env, keys);
  const client = await clock.runUntil(connect(env, keys), 10_000);

  let cuts = 0;
  const cut = () => {
    network.cutAll('rst');
    cuts += 1;
    clock.setTimer(CUT_EVERY_MS, cut);
  };
  clock.setTimer(CUT_EVERY_MS, cut);

  const stream = client.session.openStream(Buffer.from('echo'));
  const exchange = Promise.all([writeRepeatedly(stream, env.random.bytes(CHUNK_BYTES), CHUNKS), hashAll(stream)]);
  const [sent, received] = await clock.runUntil(exchange, 600_000);
  console.log(`connections cut: ${cuts}`);
  console.log(`up and down again: ${CHUNKS * CHUNK_BYTES} bytes, ${sent === received ? 'the same' : 'NOT the same'}`);
  client.close('cancelled');
}

if (import.meta.main) await main();

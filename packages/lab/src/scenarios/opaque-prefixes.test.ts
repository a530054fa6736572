// What a censor's tools make of opaque's prefixes, and what strangers get at their ports, beside the programs that are imitated.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Conn, createEnv, type Env, findTransport, type SocketAddress, type Transport } from '@rozan/tunnel';
import { ManualClock, MemoryNetwork, SeededRandom } from '@rozan/tunnel/testing';
import { judgeFirstPacket, passesWithMargin, RULE_VARIANTS } from '../classifiers/first-packet.ts';
import { judgeByNdpi, judgeByOpenGfw } from '../classifiers/tls-in-tls.ts';
import { firstPacketOfObfs4 } from '../testing/obfs4-packet.ts';
import { makePcap } from '../testing/pcap.ts';
import { runProbe } from '../testing/probe.ts';
import { needsSshServer, startHardenedSshServer } from '../testing/ssh-server.ts';
import { packetsOf } from '../testing/tap.ts';
import { startTappedWorld, type TappedWorld } from '../testing/tapped-world.ts';
import { needs, runTool } from '../testing/tools.ts';
import { createScratchFolder } from '../world.ts';

const PREFIXES = ['http', 'ssh', 'tls'] as const;
const LABELS = { http: /HTTP/, ssh: /SSH/, tls: /TLS/ } as const;
/** Names that requests and hellos ask for: a bare address is warned of. */
const OPTIONS = {
  bare: {},
  http: { prefix: 'http', host: 'www.example.com' },
  ssh: { prefix: 'ssh' },
  tls: { prefix: 'tls', host: 'www.example.com' },
} as const;
/** What nDPI warns of whatever the program: the port of the capture is no usual one. */
const ORDINARY_RISKS = /Known Protocol on Non Standard Port/g;
const KEXINIT = 20;
const COOKIE_BYTES = 16;
const LOOPBACK: SocketAddress = { host: '127.0.0.1', port: 0 };

function opaque(): Transport {
  return findTransport('opaque') ?? assert.fail('there is no transport opaque');
}

/** The first packet that a client sends, in a network in memory, for each of many relays and flights. */
async function firstPackets(prefix: string, count: number): Promise<Buffer[]> {
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock });
  const random = new SeededRandom(5);
  const env: Env = { network, clock, random, log: () => {} };
  const packets: Buffer[] = [];
  for (let index = 0; index < count; index += 1) {
    const settings = await opaque().createSettings(random, { prefix, delay: '0' });
    const first = Promise.withResolvers<Buffer>();
    const listener = await network.listen(LOOPBACK, (conn: Conn) => {
      conn.once('data', (bytes: Buffer) => first.resolve(bytes));
    });
    const params = opaque().parseParams(opaque().paramsOf(settings));
    const controller = new AbortController();
    const dialling = opaque().dial(env, { address: listener.address, params, signal: controller.signal });
    const conn = await Promise.race([dialling, first.promise.then(() => null)]);
    conn?.write(random.bytes(150 + random.below(1450)));
    packets.push((await first.promise).subarray(0, 1448));
    controller.abort();
    await dialling.catch(() => {});
    conn?.destroy();
    await listener.close();
  }
  return packets;
}

for (const prefix of PREFIXES) {
  test(`${prefix}: the first packets of 300 relays pass the rules for encrypted traffic in every reading, with margin`, async () => {
    for (const packet of await firstPackets(prefix, 300)) {
      for (const variant of RULE_VARIANTS) {
        const verdict = judgeFirstPacket(packet, variant);
        assert.equal(verdict.isFlagged, false);
        assert.ok(passesWithMargin(verdict), JSON.stringify(verdict));
      }
    }
  });
}

test('control: the first packet of obfs4 is caught in every reading', needs('obfs4proxy'), async () => {
  const packet = await firstPacketOfObfs4();
  for (const variant of RULE_VARIANTS) assert.equal(judgeFirstPacket(packet, variant).isFlagged, true);
});

describe('a TLS handshake inside a carrier', needs('openssl', 'curl'), () => {
  for (const prefix of ['bare', ...PREFIXES] as const) {
    test(`${prefix}: its sizes are outside the engines' regions, and nDPI takes it for what it imitates`, async () => {
      await using stack = new AsyncDisposableStack();
      const world: TappedWorld = stack.use(await startTappedWorld('opaque', OPTIONS[prefix]));
      await world.fetch(20_000);
      await world.fetch(300);
      const [passages = []] = world.tap.connections;
      const packets = packetsOf(passages);
      const outer = prefix === 'tls' ? 'tls' : 'unknown';
      // The first set is of the handshake's own flights, whose lengths are random: flight-bursts.test.ts judges them.
      assert.equal(judgeByOpenGfw(packets, { fromStart: false }).isFlagged, false);
      const carrier = packets.slice(
        packets.findIndex(({ from }, at) => at > 0 && from === 'client' && packets[at - 1]?.from === 'server'),
      );
      if (prefix === 'bare' || prefix === 'http') assert.equal(judgeByNdpi(carrier, outer).isFlagged, false);
      const { path } = stack.use(await createScratchFolder());
      const file = join(path, 'carrier.pcap');
      await writeFile(file, makePcap(passages, 8443));
      if (needs('ndpiReader').skip !== undefined) return;
      const { out } = await runTool('ndpiReader', ['-i', file, '-d', '-v', '2']);
      const flow =
        out
          .toString()
          .split('\n')
          .find((line) => /^\s+1\s+TCP /.test(line)) ?? '';
      if (prefix === 'bare') assert.match(flow, /Unknown/);
      else {
        assert.match(flow, LABELS[prefix]);
        assert.match(flow, /Confidence: DPI/);
        const risks = (/\[Risk: ([^\]]*)\]/.exec(flow)?.[1] ?? '')
          .replaceAll(ORDINARY_RISKS, '')
          .replaceAll(/[*\s]/g, '');
        assert.equal(risks, '', flow);
      }
    });
  }
});

test("the hello of the prefix tls is that of Debian's curl, but for what is fresh in each", needs('curl'), async () => {
  const env = createEnv({ log: () => {} });
  const heard: Promise<Buffer>[] = [];
  const listen = async () => {
    const first = Promise.withResolvers<Buffer>();
    heard.push(first.promise);
    const listener = await env.network.listen(LOOPBACK, (conn) => {
      conn.once('data', (bytes: Buffer) => {
        first.resolve(bytes);
        conn.destroy();
      });
      conn.resume();
    });
    return listener;
  };
  const [theirs, mine] = [await listen(), await listen()];
  const settings = { ...Object(await opaque().createSettings(env.random, OPTIONS.tls)), alpn: 'h2', delayMs: 0 };
  const params = opaque().parseParams(settings);
  const at = `::127.0.0.1:${theirs.address.port}`;
  await Promise.all([
    runTool('curl', ['-sk', '--max-time', '20', '--connect-to', at, 'https://www.example.com/']),
    opaque()
      .dial(env, { address: mine.address, params })
      .catch(() => {}),
  ]);
  const [curls = Buffer.alloc(0), ours = Buffer.alloc(0)] = await Promise.all(heard);
  // Random, session id, and the key share, which stands behind these bytes.
  const share = Buffer.from('003300260024001d0020', 'hex');
  for (const hello of [curls, ours]) {
    hello.fill(0, 11, 43).fill(0, 44, 76);
    const start = hello.indexOf(share) + share.length;
    hello.fill(0, start, start + 32);
  }
  assert.equal(ours.toString('hex'), curls.toString('hex'));
  await Promise.all([theirs.close(), mine.close()]);
});

describe('strangers at a port with the prefix ssh get what sshd gives', needsSshServer(), () => {
  const stack = new AsyncDisposableStack();
  const env = createEnv({ log: () => {} });
  let real: SocketAddress;
  let ours: SocketAddress;
  before(async () => {
    const { path } = stack.use(await createScratchFolder());
    real = { host: '127.0.0.1', port: stack.use(await startHardenedSshServer(path)).port };
    const settings = await opaque().createSettings(env.random, { prefix: 'ssh' });
    const onConn = () => assert.fail('a stranger was taken for a client');
    const listener = await opaque().listen(env, { address: LOOPBACK, settings, onConn });
    stack.defer(() => listener.close());
    ours = listener.address;
  });
  after(() => stack.disposeAsync());

  const version = 'SSH-2.0-x\r\n';
  const probes: [string, string | Buffer][] = [
    ['http', 'GET / HTTP/1.1\r\n\r\n'],
    ['a line', 'hello\n'],
    ['an old version', 'SSH-1.5-x\r\n'],
    ['no name', 'SSH-2.0-\r\n'],
    ['TLS', Buffer.from('1603010200', 'hex')],
    ['zeros', Buffer.alloc(2)],
    ['a return inside', 'SSH-2.0-a\rb\n'],
    ['a long line', 'A'.repeat(9000)],
    ['a bad length', `${version}${'\xff'.repeat(16)}`],
    [
      'a message too early',
      Buffer.from(`${Buffer.from(version).toString('hex')}0000000c0a05${'00'.repeat(10)}`, 'hex'),
    ],
    ['nothing but a version', version],
  ];
  for (const [name, bytes] of probes) {
    test(name, async () => {
      const [theirs, mine] = await Promise.all(
        [real, ours].map((place) => talk(env, place, Buffer.from(bytes.toString('latin1'), 'latin1'))),
      );
      assert.deepEqual(mine, theirs);
    });
  }
});

/** What comes back within a second, but for what is random or named after a release of Debian, and how it ends. */
async function talk(env: Env, place: SocketAddress, bytes: Buffer): Promise<{ said: string; end: string }> {
  const conn = await env.network.dial(place);
  let said = '';
  let end = 'open';
  conn.on('data', (piece: Buffer) => {
    said += piece.toString('latin1');
  });
  conn.on('end', () => {
    end = 'fin';
  });
  conn.on('error', () => {
    end = 'rst';
  });
  conn.write(bytes);
  await once(conn, 'end', { signal: AbortSignal.timeout(1000) }).catch(() => {});
  conn.destroy();
  const text = said.replace(/^SSH-2.0-OpenSSH_\S+ \S+\r\n/, '');
  // The cookie of a KEXINIT message, behind a length, a padding length and the message's number.
  const isInit = text.charCodeAt(5) === KEXINIT;
  // A reset may overtake the last words.
  if (end === 'rst') return { said: '', end };
  return { said: isInit ? text.slice(0, 6) + text.slice(6 + COOKIE_BYTES) : text, end };
}

for (const prefix of ['http', 'tls'] as const) {
  test(`a recorded first message of a client gets, at a port with the prefix ${prefix}, what any stranger gets`, async () => {
    const env = createEnv({ log: () => {} });
    const settings = await opaque().createSettings(env.random, { prefix, delay: '0' });
    let clients = 0;
    const onConn = (conn: Conn) => {
      clients += 1;
      conn.resume();
    };
    const listener = await opaque().listen(env, { address: LOOPBACK, settings, onConn });
    const [packet = Buffer.alloc(0)] = await recordFirst(env, listener.address, settings);
    assert.equal(clients, 1);
    const again = await runProbe(env.network, listener.address, { name: 'replay', pieces: [packet], after: 'fin' });
    assert.equal(clients, 1, 'a recorded message is nobody of ours');
    assert.ok(again.bytes > 0, 'the web server answers it');
    const probes = [randomBytes(300), Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'), Buffer.from('\r\n\r\n\r\n')];
    for (const bytes of probes) await talk(env, listener.address, bytes);
    assert.equal(clients, 1);
    await listener.close();
  });
}

/** The first thing that a client sends to this listener, while it is let in. */
async function recordFirst(env: Env, address: SocketAddress, settings: unknown): Promise<Buffer[]> {
  const written: Buffer[] = [];
  const network = {
    ...env.network,
    dial: async (...given: Parameters<Env['network']['dial']>) => {
      const conn = await env.network.dial(...given);
      const write = conn.write.bind(conn);
      conn.write = (chunk: Buffer, ...rest: unknown[]) => {
        written.push(Buffer.from(chunk));
        return write(
          chunk,
          rest.find((value): value is () => void => typeof value === 'function'),
        );
      };
      return conn;
    },
  };
  const params = opaque().parseParams(opaque().paramsOf(settings));
  const conn = await opaque().dial({ ...env, network }, { address, params });
  conn.write(randomBytes(400));
  await new Promise((resolve) => setImmediate(resolve));
  conn.end();
  await once(conn, 'finish');
  await once(conn.resume(), 'close', { signal: AbortSignal.timeout(500) }).catch(() => conn.destroy());
  return written;
}

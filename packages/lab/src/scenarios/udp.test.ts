import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { createEnv } from '@rozan/tunnel';
import { startCutNetwork } from '../testing/cut-network.ts';
import { startDnsResponder } from '../testing/dns-responder.ts';
import type { Program } from '../testing/program.ts';
import { startQuicServer } from '../testing/quic-server.ts';
import { startRelayNetwork } from '../testing/relay-network.ts';
import type { SocksTarget } from '../testing/socks-client.ts';
import { needs, runTool, sha256 } from '../testing/tools.ts';
import { openAssociation } from '../testing/udp-association.ts';
import { startUdpForwarder } from '../testing/udp-forwarder.ts';
import { createScratchFolder } from '../world.ts';

const ADDRESS = '192.0.2.53';
const QUIC_BYTES = 5_000_000;
const CUT_AFTER_MS = 2000;
/** By design a lost relay is replaced within 5 s; a busy machine gets more. */
const OTHER_RELAY_MS = 30_000;
const AGAIN_MS = 100;

/** A site that sends every datagram back. */
async function startEcho(host = '127.0.0.1') {
  const { network } = createEnv({ log: () => {} });
  const heard: string[] = [];
  const socket = await network.bindDatagrams({ host, port: 0 }, (bytes, from) => {
    heard.push(bytes.toString('latin1'));
    socket.send(bytes, from);
  });
  const { port } = socket.address;
  return { heard, port, [Symbol.asyncDispose]: async () => socket.close() };
}

/** How many datagrams a relay says that its guard has refused. */
async function droppedByGuard(relay: Program): Promise<number> {
  const text = await (await fetch(`http://${relay.text('metrics')}/metrics`)).text();
  return Number(/^rozan_relay_datagrams_dropped_total\{reason="forbidden"\} (\d+)$/m.exec(text)?.[1] ?? 0);
}

/** An association that can be asked: what is sent is sent again until it comes back, since datagrams may be lost. */
async function openAsker(proxy: string) {
  const waiting = new Map<string, () => void>();
  const association = await openAssociation(proxy, (from, bytes) => waiting.get(`${from.host} ${bytes}`)?.());
  const ask = async (target: SocksTarget, text: string, withinMs = OTHER_RELAY_MS): Promise<void> => {
    const answered = Promise.withResolvers<void>();
    waiting.set(`127.0.0.1 ${text}`, answered.resolve);
    const again = setInterval(() => association.send(target, Buffer.from(text)), AGAIN_MS);
    const giveUp = setTimeout(() => answered.reject(new Error(`no answer to ${text}`)), withinMs);
    association.send(target, Buffer.from(text));
    await answered.promise.finally(() => {
      clearInterval(again);
      clearTimeout(giveUp);
    });
  };
  return { ask, association, [Symbol.asyncDispose]: () => association[Symbol.asyncDispose]() };
}

test('dig asks a name server through UDP ASSOCIATE, by its address and by its name', needs('dig'), async () => {
  await using server = await startDnsResponder(ADDRESS);
  await using network = await startRelayNetwork({ egressAllow: [`127.0.0.1/32:${server.port}`] });
  const socks = network.client.text('socks');
  for (const target of [
    { host: '127.0.0.1', port: server.port, as: 'address' },
    { host: 'localhost', port: server.port, as: 'name' },
  ] as const) {
    await using forwarder = await startUdpForwarder(socks, target);
    for (const name of ['site.example', 'another.example']) {
      const args = ['@127.0.0.1', '-p', String(forwarder.port), '+short', '+tries=5', '+timeout=3', name, 'A'];
      const { code, out, err } = await runTool('dig', args);
      assert.equal(code, 0, err);
      assert.equal(out.toString().trim(), ADDRESS);
    }
  }
  assert.ok(server.asked >= 4);
});

test(
  'a QUIC client downloads a file while its carriers are cut every 2 s',
  needs('gtlsclient', 'gtlsserver', 'openssl'),
  async (context) => {
    await using scratch = await createScratchFolder();
    const [root, downloads] = [join(scratch.path, 'root'), join(scratch.path, 'downloads')];
    for (const folder of [root, downloads]) await mkdir(folder);
    const file = randomBytes(QUIC_BYTES);
    await writeFile(join(root, 'file.bin'), file);
    await using server = await startQuicServer(scratch.path, root);
    let cuts = 0;
    await using network = await startCutNetwork({
      egressAllow: `127.0.0.1/32:${server.port}`,
      cutAfterMs: CUT_AFTER_MS,
      onCut: () => {
        cuts += 1;
      },
    });
    const target = { host: '127.0.0.1', port: server.port, as: 'address' } as const;
    await using forwarder = await startUdpForwarder(network.client.text('socks'), target);
    const options = ['--quiet', '--exit-on-all-streams-close', '--download', downloads];
    for (let round = 0; round < 20 && cuts < 2; round += 1) {
      const place = ['127.0.0.1', String(forwarder.port), 'https://localhost/file.bin'];
      const { code, err } = await runTool('gtlsclient', [...options, ...place]);
      assert.equal(code, 0, err);
      assert.equal(sha256(await readFile(join(downloads, 'file.bin'))), sha256(file));
      await writeFile(join(downloads, 'file.bin'), '');
    }
    context.diagnostic(`${cuts} cuts`);
    assert.ok(cuts >= 1);
  },
);

test('a flow goes on through another relay when its own is gone', async () => {
  await using site = await startEcho();
  await using network = await startRelayNetwork({ relays: 2, egressAllow: [`127.0.0.1/32:${site.port}`] });
  await using asker = await openAsker(network.client.text('socks'));
  const target = { host: '127.0.0.1', port: site.port, as: 'address' } as const;
  await asker.ask(target, 'by the first relay');
  const first = network.relays.find(({ tag }) =>
    network.client.events.some(({ event, relay }) => event === 'session.opened' && relay === tag),
  );
  await first?.restart('SIGKILL');
  await asker.ask(target, 'by any relay');
  await network.relays[0]?.program.stop();
  await asker.ask(target, 'by the second relay');
});

test('a datagram to a private address is dropped without a word, and one that is allowed is not', async () => {
  await using site = await startEcho();
  await using elsewhere = await startEcho('127.0.0.2');
  await using other = await startEcho();
  await using network = await startCutNetwork({ egressAllow: `127.0.0.1/32:${site.port}`, cutAfterMs: 0 });
  await using asker = await openAsker(network.client.text('socks'));
  const { association, ask } = asker;
  const allowed = { host: '127.0.0.1', port: site.port, as: 'address' } as const;
  await ask(allowed, 'before');
  const forbidden: SocksTarget[] = [
    { host: '127.0.0.1', port: other.port, as: 'address' },
    { host: '127.0.0.2', port: elsewhere.port, as: 'address' },
    { host: '127.1', port: other.port, as: 'name' },
    { host: 'localhost', port: other.port, as: 'name' },
    { host: '::ffff:127.0.0.1', port: other.port, as: 'address' },
    { host: '::1', port: site.port, as: 'address' },
    { host: '10.0.0.1', port: 53, as: 'address' },
    { host: '169.254.169.254', port: 80, as: 'address' },
  ];
  assert.equal(await droppedByGuard(network.relay), 0);
  for (const target of forbidden)
    for (let count = 0; count < 5; count += 1) association.send(target, Buffer.from('no'));
  const deadlineMs = performance.now() + OTHER_RELAY_MS;
  while ((await droppedByGuard(network.relay)) < forbidden.length && performance.now() < deadlineMs) {
    await ask(allowed, `still allowed at ${performance.now()}`);
    await pause(AGAIN_MS);
  }
  assert.ok((await droppedByGuard(network.relay)) >= forbidden.length);
  assert.deepEqual([other.heard, elsewhere.heard], [[], []]);
  assert.ok(!site.heard.includes('no'));
  assert.deepEqual(
    network.client.events.filter(({ event }) => event === 'stream.failed'),
    [],
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseServerEntry, parseShareLink } from '@rozan/protocol';
import { findTransport, TunnelError } from '@rozan/tunnel';
import { SeededRandom } from '@rozan/tunnel/testing';
import type { ListenPlace, RelayConfig, TransportAddress } from './data-folder/relay-config.ts';
import { createEntryLink } from './server-entry.ts';

const random = new SeededRandom(1);

async function listener(port: number, options: Readonly<Record<string, string>>): Promise<ListenPlace> {
  const settings = await findTransport('opaque')?.createSettings(random, options);
  return {
    transport: 'opaque',
    address: { host: '0.0.0.0', port },
    settings: Object.fromEntries(Object.entries(settings ?? {})),
  };
}

const address = (port: number): TransportAddress => ({
  transport: 'opaque',
  address: { host: '203.0.113.7', port },
});

/** The addresses of each way in the entry. */
function waysOf(listen: readonly ListenPlace[], addresses: readonly TransportAddress[]): (readonly string[])[] {
  const config: RelayConfig = {
    staticKey: random.bytes(32),
    signingKey: random.bytes(32),
    channels: [{ id: 'default', accessSecret: random.bytes(32) }],
    listen,
    addresses,
    strangerIdleMs: 900_000,
  };
  const { entry } = parseServerEntry(parseShareLink(createEntryLink(config, 'default', 1.8e12)));
  return entry.transports.map((way) => way.addresses);
}

test('listeners of one kind share the addresses that are named', async () => {
  const listen = [await listener(1, {}), await listener(2, {})];
  assert.deepEqual(waysOf(listen, [address(443), address(444)]), [['203.0.113.7:443', '203.0.113.7:444']]);
});

test('listeners that differ have each its own address, in their order', async () => {
  const listen = [await listener(1, {}), await listener(2, { prefix: 'ssh' })];
  assert.deepEqual(waysOf(listen, [address(443), address(22)]), [['203.0.113.7:443'], ['203.0.113.7:22']]);
});

test('an address that could belong to either is refused', async () => {
  const listen = [await listener(1, {}), await listener(2, { prefix: 'ssh' })];
  assert.throws(() => waysOf(listen, [address(443)]), TunnelError);
});

// What nDPI makes of carriers: of those that look like a web site's traffic beside curl at the same site, of the others beside nothing.
// Prefixes of `opaque` are judged in opaque-prefixes.test.ts.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatAddress, TRANSPORTS } from '@rozan/tunnel';
import { labelByNdpi, type NdpiLabel } from '../testing/ndpi.ts';
import { startTappedWorld, type TappedWorld } from '../testing/tapped-world.ts';
import { curl, needs } from '../testing/tools.ts';
import { createScratchFolder } from '../world.ts';

const NAME = 'www.example.com';
const DRESSES = [
  ['websocket', { tls: 'none', host: NAME }, /^(HTTP|WebSocket)/],
  ['websocket', { tls: 'self', host: NAME }, /^TLS/],
  ['http', { host: NAME }, /^HTTP/],
  ['http', { tls: 'self', host: NAME }, /^TLS/],
] as const;

/** Which connections are judged: those behind the first `from`, as ones to this port. */
interface Judged {
  readonly port: number;
  readonly from: number;
}

/** Labels of all connections that carried something. */
async function labels(world: TappedWorld, folder: string, { port, from }: Judged): Promise<NdpiLabel[]> {
  const found: NdpiLabel[] = [];
  for (const passages of world.tap.connections.slice(from)) {
    if (passages.length > 1) found.push(await labelByNdpi(passages, port, folder));
  }
  return found;
}

describe('a whole carrier with two fetches inside', needs('ndpiReader', 'curl', 'openssl'), () => {
  for (const [name, options, label] of DRESSES) {
    const isSecure = 'tls' in options && options.tls === 'self';
    test(`${name}, ${isSecure ? 'TLS' : 'plain'}: nDPI takes it for what it looks like, and warns of no more than of curl`, async () => {
      await using stack = new AsyncDisposableStack();
      const folder = stack.use(await createScratchFolder()).path;
      const world = stack.use(await startTappedWorld(name, options));
      await world.fetch(20_000);
      await world.fetch(300);
      const port = isSecure ? 443 : 80;
      const ours = await labels(world, folder, { port, from: 0 });
      const before = world.tap.connections.length;
      const url = `${isSecure ? 'https' : 'http'}://${NAME}/`;
      const { code, err } = await curl([
        '-sk',
        '--http1.1',
        '--connect-to',
        `::${formatAddress(world.tap.address)}`,
        url,
      ]);
      assert.equal(code, 0, err);
      const [curls] = await labels(world, folder, { port, from: before });
      assert.ok(ours.length > 0 && curls !== undefined);
      assert.match(curls.protocol, label);
      for (const { protocol, isByInspection, risks } of ours) {
        assert.match(protocol, label);
        assert.equal(isByInspection, true);
        assert.deepEqual([...risks.difference(curls.risks)], [], [...curls.risks].join());
      }
    });
  }
});

/** Carriers that look like nothing at all, and what is needed for them. */
const BARE = [
  ['opaque', {}, []],
  ['pluggable', { exec: '/usr/bin/obfs4proxy', method: 'obfs4' }, ['obfs4proxy']],
] as const;

describe('a carrier without a dress, with two fetches inside', () => {
  for (const [name, options, tools] of BARE) {
    test(
      `${name}: nDPI has no name for it, and no warning`,
      needs('ndpiReader', 'curl', 'openssl', ...tools),
      async () => {
        await using stack = new AsyncDisposableStack();
        const folder = stack.use(await createScratchFolder()).path;
        const world = stack.use(await startTappedWorld(name, options));
        await world.fetch(20_000);
        await world.fetch(300);
        const found = await labels(world, folder, { port: 8443, from: 0 });
        assert.ok(found.length > 0);
        for (const { protocol, risks } of found) {
          assert.match(protocol, /^Unknown/);
          assert.deepEqual([...risks], []);
        }
      },
    );
  }
});

test('no transport is left out', () => {
  const judged = new Set<string>([...DRESSES, ...BARE].map(([name]) => name));
  assert.deepEqual(
    TRANSPORTS.map(({ name }) => name).filter((name) => !judged.has(name)),
    [],
  );
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TunnelError, type TunnelErrorCode } from './errors.ts';
import { createEnv } from './real-env.ts';
import { turnsUntil, withoutLeaks } from './testing/leak-check.ts';
import { ManualClock } from './testing/manual-clock.ts';
import { MemoryNetwork } from './testing/memory-network.ts';
import { readExactly } from './testing/stream-helpers.ts';
import { startSmallProxy } from './upstream/testing/small-proxy.ts';
import { viaProxy } from './upstream-proxy.ts';

const LOGIN = { user: 'ada', password: 'pä:ss' };
const ANY_PORT = { host: '127.0.0.1', port: 0 };
const BOTH = ['http', 'socks5'] as const;

const failsWith = (code: TunnelErrorCode) => (error: unknown) => {
  assert.ok(error instanceof TunnelError);
  assert.equal(error.code, code);
  const text = JSON.stringify(error, Object.getOwnPropertyNames(error));
  for (const secret of [LOGIN.password, '127.0.0.1']) assert.ok(!text.includes(secret));
  return true;
};

describe('a network behind an upstream proxy', () => {
  for (const kind of BOTH) {
    it(`hands names to the proxy (${kind})`, async () => {
      const network = new MemoryNetwork({ clock: new ManualClock() });
      const site = await network.listen(ANY_PORT, (conn) => conn.end('site'));
      const names = new Map([['relay.example', site.address.host]]);
      const proxy = await startSmallProxy(network, { kind, credentials: null, names });
      const through = viaProxy(network, { kind, ...proxy.address, credentials: null });
      const conn = await through.dial({ host: 'relay.example', port: site.address.port });
      assert.equal(String(await readExactly(conn, 4)), 'site');
    });

    it(`says that a password is missing or wrong (${kind})`, async () => {
      const network = new MemoryNetwork({ clock: new ManualClock() });
      const proxy = await startSmallProxy(network, { kind, credentials: LOGIN });
      for (const credentials of [null, { ...LOGIN, password: 'wrong' }]) {
        const through = viaProxy(network, { kind, ...proxy.address, credentials });
        await assert.rejects(through.dial(proxy.address), failsWith('proxy-login'));
      }
      await turnsUntil(() => network.connections.length === 0);
      assert.equal(network.connections.length, 0);
    });

    it(`says that there is no proxy, or none of that kind (${kind})`, async () => {
      const network = new MemoryNetwork({ clock: new ManualClock() });
      const nowhere = viaProxy(network, { kind, host: '127.0.0.1', port: 1, credentials: null });
      await assert.rejects(nowhere.dial(ANY_PORT), failsWith('proxy-failed'));
      for (const answer of ['SSH-2.0-OpenSSH\r\n', '']) {
        const other = await network.listen(ANY_PORT, (conn) => conn.resume().end(answer));
        const through = viaProxy(network, { kind, ...other.address, credentials: null });
        await assert.rejects(through.dial(ANY_PORT), failsWith('proxy-failed'));
      }
      await turnsUntil(() => network.connections.length === 0);
      assert.equal(network.connections.length, 0);
    });

    it(`ends with the signal while the proxy is silent (${kind})`, async () => {
      await withoutLeaks(async () => {
        const { network } = createEnv({ log: () => {} });
        const silent = await network.listen(ANY_PORT, (conn) => conn.resume().once('end', () => conn.destroy()));
        const over = new AbortController();
        const dialling = viaProxy(network, { kind, ...silent.address, credentials: null }).dial(ANY_PORT, {
          signal: over.signal,
        });
        const reason = new Error('enough');
        setImmediate(() => over.abort(reason));
        await assert.rejects(dialling, reason);
        await silent.close();
      });
    });
  }

  it('resolves the name of the proxy', async () => {
    const network = new MemoryNetwork({ clock: new ManualClock() });
    const site = await network.listen(ANY_PORT, (conn) => conn.end('site'));
    const proxy = await startSmallProxy(network, { kind: 'http', credentials: null });
    const place = { kind: 'http', host: 'proxy.example', port: proxy.address.port, credentials: null } as const;
    const resolve = async (name: string) => {
      assert.equal(name, 'proxy.example');
      return proxy.address.host;
    };
    const conn = await viaProxy(network, place, { resolve }).dial(site.address);
    assert.equal(String(await readExactly(conn, 4)), 'site');
  });
});

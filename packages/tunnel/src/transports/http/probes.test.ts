// What strangers get: byte for byte what the site gives when there is no transport behind it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Conn, Network, SocketAddress } from '../../network.ts';
import { createEnv } from '../../real-env.ts';
import { createSite } from '../../site/site.ts';
import { createWebServer } from '../../site/web-server.ts';
import { withoutLeaks } from '../../testing/leak-check.ts';
import { readExactly } from '../../testing/stream-helpers.ts';
import { http } from './http.ts';
import { TOKEN_CHARACTERS } from './request-token.ts';
import type { HttpSettings } from './settings.ts';

const env = createEnv({ log: () => {} });
const HERE = { host: '127.0.0.1', port: 0 };

/** All that comes back for these bytes until the other side closes, or has been silent for a moment; dates apart. */
async function ask(address: SocketAddress, request: Buffer | string): Promise<string> {
  const conn = await env.network.dial(address);
  conn.end(request);
  const chunks: Buffer[] = [];
  for await (const chunk of conn) chunks.push(chunk);
  return Buffer.concat(chunks)
    .toString('latin1')
    .replace(/^Date: .*$/gm, 'Date: now');
}

interface Stage {
  readonly listener: SocketAddress;
  /** The same site with nothing behind it. */
  readonly plain: SocketAddress;
  readonly settings: HttpSettings;
  readonly accepted: Conn[];
  /** What the client has sent, one entry for each connection. */
  readonly sent: Buffer[][];
  readonly client: Conn;
}

/** The network of this machine, which keeps what is sent on each connection. */
function tapped(sent: Buffer[][]): Network {
  return {
    ...env.network,
    dial: async (address, options) => {
      const conn = await env.network.dial(address, options);
      const chunks: Buffer[] = [];
      sent.push(chunks);
      const write = conn.write.bind(conn);
      conn.write = (chunk: Buffer) => {
        chunks.push(Buffer.from(chunk));
        return write(chunk);
      };
      return conn;
    },
  };
}

async function onStage(run: (stage: Stage) => Promise<void>, decline = false): Promise<void> {
  await withoutLeaks(async () => {
    const settings = await http.createSettings(env.random, { prefix: '/media/' });
    const accepted: Conn[] = [];
    const onConn = (conn: Conn) => {
      accepted.push(conn);
      conn.once('data', () => {
        if (decline) conn.decline?.();
        else conn.write(`reply ${accepted.length}`);
      });
    };
    const listener = await http.listen(env, { address: HERE, settings, onConn });
    const web = createWebServer(env, createSite(env, settings.site));
    const plain = await env.network.listen(HERE, (conn) => web.serve(conn));
    const sent: Buffer[][] = [];
    const params = http.paramsOf(settings);
    const client = await http.dial({ ...env, network: tapped(sent) }, { address: listener.address, params });
    try {
      await run({ listener: listener.address, plain: plain.address, settings, accepted, sent, client });
    } finally {
      client.destroy();
      for (const conn of accepted) conn.destroy();
      await listener.close();
      await plain.close();
      web.close();
    }
  });
}

const lines = (...head: readonly string[]) =>
  `${[...head, 'Host: example.org', 'Connection: close'].join('\r\n')}\r\n\r\n`;

test('strangers get what the site alone would give', async () => {
  await onStage(async ({ listener, plain, settings }) => {
    const token = 'A'.repeat(TOKEN_CHARACTERS);
    const paths = [
      '/',
      '/about',
      '/media/',
      `/media/${token}${settings.suffix}`,
      `/media/${token.slice(1)}`,
      `/${token}`,
    ];
    for (const path of paths) {
      for (const request of [
        lines(`GET ${path} HTTP/1.1`),
        lines(`HEAD ${path} HTTP/1.1`),
        `${lines(`POST ${path} HTTP/1.1`, 'Content-Length: 5')}12345`,
        lines(`GET ${path} HTTP/1.1`, 'Connection: Upgrade', 'Upgrade: websocket'),
        `GET ${path} HTTP/1.0\r\n\r\n`,
      ]) {
        const got = await ask(listener, request);
        assert.notEqual(got, '');
        assert.equal(got, await ask(plain, request));
      }
    }
    for (const garbage of [
      '\r\n\r\n',
      'SSH-2.0-x\r\n',
      `GET /${'x'.repeat(30_000)} HTTP/1.1\r\n\r\n`,
      env.random.bytes(999),
    ]) {
      assert.equal(await ask(listener, garbage), await ask(plain, garbage));
    }
  });
});

/** The same request, on a connection that closes after it. */
const closing = (request: Buffer) =>
  Buffer.from(request.toString('latin1').replace('Connection: keep-alive', 'Connection: close'), 'latin1');

test('a request sent again is a stranger’s, and disturbs nothing', async () => {
  await onStage(async ({ listener, plain, accepted, sent, client }) => {
    client.write('first flight');
    assert.equal(String(await readExactly(client, 7)), 'reply 1');
    const [opening = []] = sent;
    const recorded = closing(Buffer.concat(opening.slice(0, 2)));
    assert.equal(await ask(listener, recorded), await ask(plain, recorded));
    const [server] = accepted;
    assert.ok(server);
    server.pipe(server);
    for (let round = 0; round < 5; round += 1) {
      client.write('more');
      assert.equal(String(await readExactly(client, 4)), 'more');
      for (const chunks of [...sent]) {
        const again = closing(Buffer.concat(chunks));
        const one = again.subarray(0, again.indexOf('\r\n\r\n') + 4);
        if (one.includes('POST')) continue;
        assert.equal(await ask(listener, one), await ask(plain, one));
      }
    }
    assert.equal(accepted.length, 1);
  });
});

test('who sends an opening that its judge refuses gets the site, and so does who sends it later', async () => {
  await onStage(async ({ listener, plain, accepted, sent, client }) => {
    const failed = new Promise<Error>((resolve) => client.once('error', resolve));
    client.write('a recorded flight');
    assert.equal('code' in (await failed) && true, true);
    const recorded = closing(Buffer.concat(sent[0] ?? []));
    // Also without the end of its body, for which the site does not wait.
    for (const bytes of [recorded, recorded.subarray(0, -20)]) {
      assert.equal(await ask(listener, bytes), await ask(plain, bytes));
    }
    assert.equal(accepted.length, 1, 'nobody has to judge it again');
  }, true);
});

test('an opening whose body was changed is a stranger’s, and nobody is asked to judge it', async () => {
  await onStage(async ({ listener, plain, settings, accepted, sent }) => {
    // Another listener gets the connection, so that this one has never seen it.
    const other = await http.listen(env, { address: HERE, settings, onConn: (conn) => conn.destroy() });
    const params = http.paramsOf(settings);
    const client = await http.dial({ ...env, network: tapped(sent) }, { address: other.address, params });
    const failed = new Promise((resolve) => client.once('close', resolve));
    client.write('first flight');
    await failed;
    await other.close();
    const recorded = closing(Buffer.concat(sent.find((chunks) => chunks.length > 0) ?? []));
    const index = recorded.length - 1;
    recorded[index] = (recorded[index] ?? 0) ^ 1;
    assert.equal(await ask(listener, recorded), await ask(plain, recorded));
    assert.equal(accepted.length, 0);
  });
});

test('two connections of one client have nothing in common but the form', async () => {
  await onStage(async ({ listener, settings, sent }) => {
    const params = http.paramsOf(settings);
    const dial = () => http.dial({ ...env, network: tapped(sent) }, { address: listener, params });
    const conns = [await dial(), await dial()];
    for (const conn of conns) {
      conn.write('first flight');
      await readExactly(conn, 7);
      conn.destroy();
    }
    const tokens = sent.flatMap((chunks) =>
      [
        ...Buffer.concat(chunks)
          .toString('latin1')
          .matchAll(/ \/media\/([\w-]{100,})/g),
      ].map(([, token = '']) => token),
    );
    assert.ok(tokens.length >= 2);
    assert.equal(new Set(tokens).size, tokens.length);
    assert.equal(new Set(tokens.map((token) => token.slice(0, 8))).size, tokens.length);
    assert.deepEqual(new Set(tokens.map((token) => token.length)), new Set([TOKEN_CHARACTERS]));
  });
});

import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseHostPort } from '@rozan/protocol';
import { createEnv } from '@rozan/tunnel';
import { readExactly } from '@rozan/tunnel/testing';
import { type Program, runRozan, STOP_MS, startProgram } from '../testing/program.ts';
import { connectBySocks, endOf } from '../testing/socks-client.ts';
import { curl, needs, sha256 } from '../testing/tools.ts';
import { createScratchFolder } from '../world.ts';

const UPLOAD_BYTES = 3_000_000;
const PARALLEL = 8;
const withCurl = needs('curl');

function startDemo(): Promise<Program> {
  return startProgram(['demo', '--socks', '127.0.0.1:0', '--http', '127.0.0.1:0']);
}

/** Every way in which curl goes through the demo's proxies. */
function waysThrough(demo: Program): readonly (readonly [name: string, args: readonly string[]])[] {
  const socks = demo.text('socks');
  const http = `http://${demo.text('http')}`;
  return [
    ['SOCKS5 with names', ['--socks5-hostname', socks]],
    ['SOCKS5 with addresses', ['--socks5', socks]],
    ['HTTP in absolute form', ['-x', http]],
    ['HTTP CONNECT', ['-p', '-x', http]],
  ];
}

/** Whether something listens at `host:port`. */
async function answersAt(place: string): Promise<boolean> {
  const { network } = createEnv({ log: () => {} });
  try {
    const conn = await network.dial(parseHostPort(place), { signal: AbortSignal.timeout(STOP_MS) });
    conn.on('error', () => {});
    conn.destroy();
    return true;
  } catch {
    return false;
  }
}

test('demo: the ready line, and an end that leaves nothing', async () => {
  await using demo = await startDemo();
  const { socks, http, site, relays, pid, v } = demo.ready;
  assert.equal(v, 1);
  assert.equal(pid, demo.pid);
  assert.match(String(site), /^http:\/\/127\.0\.0\.1:\d+\/$/);
  assert.ok(Array.isArray(relays) && relays.length === 3);
  const places = [socks, http, ...relays].map(String);
  for (const place of places) assert.match(place, /^127\.0\.0\.1:[1-9]\d*$/);
  for (const place of places) assert.ok(await answersAt(place));
  const { code, afterMs } = await demo.stop();
  assert.equal(code, 0);
  assert.ok(afterMs < STOP_MS);
  for (const place of [...places, new URL(String(site)).host]) assert.equal(await answersAt(place), false);
});

test('demo: without --json it tells a person where everything is', async () => {
  const ports = ['--socks', '127.0.0.1:0', '--http', '127.0.0.1:0'];
  const { code, out, err } = await runRozan(['demo', ...ports], { stopAt: 'Ctrl-C' });
  assert.equal(code, 0, err);
  assert.equal(err, '');
  for (const label of ['SOCKS proxy +', 'HTTP proxy +', 'demo site +http://']) {
    assert.match(out, new RegExp(`${label}127\\.0\\.0\\.1:[1-9]`));
  }
});

test('demo: SIGINT and SIGHUP end it as well', async () => {
  for (const signal of ['SIGINT', 'SIGHUP'] as const) {
    await using demo = await startDemo();
    await demo.stop(signal);
  }
});

test('demo: curl fetches and uploads by every proxy', withCurl, async () => {
  await using demo = await startDemo();
  const site = demo.text('site');
  const direct = await curl([site]);
  const large = await curl([`${site}bytes/20`]);
  assert.equal(large.out.length, 20_000_000);
  const upload = randomBytes(UPLOAD_BYTES);
  for (const [name, args] of waysThrough(demo)) {
    const page = await curl([...args, site]);
    assert.equal(page.code, 0, `${name}: ${page.err}`);
    assert.deepEqual(page.out, direct.out, name);
    const download = await curl([...args, `${site}bytes/20`]);
    assert.equal(sha256(download.out), sha256(large.out), `${name}: ${download.err}`);
    const answer = await curl([...args, '-T', '-', `${site}upload`], { input: upload });
    assert.deepEqual(JSON.parse(answer.out.toString()), { bytes: UPLOAD_BYTES, sha256: sha256(upload) }, name);
  }
  assert.deepEqual(
    demo.events.map(({ event }) => event).filter((event) => /failed|lost|refused/.test(event)),
    [],
  );
});

test('demo: eight downloads at once', withCurl, async () => {
  await using demo = await startDemo();
  const url = `${demo.text('site')}bytes/5`;
  const expected = sha256((await curl([url])).out);
  const downloads = Array.from({ length: PARALLEL }, () => curl(['--socks5-hostname', demo.text('socks'), url]));
  for (const { code, err, out } of await Promise.all(downloads)) {
    assert.equal(code, 0, err);
    assert.equal(sha256(out), expected);
  }
});

test('demo: a second one on the same ports says so and ends with 3', async () => {
  await using demo = await startDemo();
  const ports = ['--socks', demo.text('socks'), '--http', demo.text('http')];
  const second = await runRozan(['demo', '--json', ...ports]);
  assert.equal(second.code, 3);
  assert.equal(second.out, '');
  assert.match(second.err, /SOCKS proxy cannot listen at 127\.0\.0\.1:\d+: another program uses this port/);
  const http = await runRozan(['demo', '--json', '--socks', '127.0.0.1:0', '--http', demo.text('http')]);
  assert.equal(http.code, 3);
  assert.match(http.err, /HTTP proxy cannot listen/);
});

test('demo: a stop during a download breaks it off; it does not look whole', async () => {
  await using demo = await startDemo();
  const { hostname: host, port } = new URL(demo.text('site'));
  const { conn } = await connectBySocks(demo.text('socks'), { host, port: Number(port), as: 'address' });
  conn.write('GET /bytes/100 HTTP/1.1\r\nHost: site.test\r\n\r\n');
  await readExactly(conn, 100_000);
  await demo.stop();
  assert.equal(await endOf(conn), 'ECONNRESET');
});

test('demo: with --data it keeps its relays, and starts on them again', async () => {
  await using scratch = await createScratchFolder();
  const args = ['demo', '--socks', '127.0.0.1:0', '--http', '127.0.0.1:0', '--data', join(scratch.path, 'demo')];
  const relays: unknown[] = [];
  for (let start = 1; start <= 2; start++) {
    await using demo = await startProgram(args);
    relays.push(demo.ready.relays);
  }
  assert.deepEqual(relays[0], relays[1]);
  const kept = readdirSync(join(scratch.path, 'demo')).filter((name) => name.startsWith('relay-'));
  assert.deepEqual(kept.sort(), ['relay-1', 'relay-2', 'relay-3']);
});

test(
  'demo: killed at random moments it loses nothing that was acknowledged, and is the same network again',
  withCurl,
  async (context) => {
    await using scratch = await createScratchFolder();
    const data = join(scratch.path, 'demo');
    const args = ['demo', '--socks', '127.0.0.1:0', '--http', '127.0.0.1:0', '--data', data];
    const acknowledged: string[] = [];
    const ask = async (
      demo: Program,
      path: string,
      { method = 'GET', body }: { method?: string; body?: object } = {},
    ) => {
      const token = readFileSync(join(data, 'control', 'token'), 'utf8').trim();
      const reply = await fetch(`${demo.text('control')}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      assert.equal(reply.status, 200);
      return reply.json();
    };
    const expectAll = async (demo: Program) => {
      const channels = new Set(((await ask(demo, '/channels')) as { channel: string }[]).map(({ channel }) => channel));
      assert.deepEqual(
        acknowledged.filter((channel) => !channels.has(channel)),
        [],
      );
      const relays = (await ask(demo, '/relays')) as { state: string }[];
      assert.deepEqual(
        relays.map(({ state }) => state),
        ['serving', 'serving', 'serving'],
      );
      const page = await curl(['-x', `http://${demo.text('http')}`, demo.text('site')]);
      assert.equal(page.code, 0, page.err);
    };
    for (let round = 1; round <= 2; round += 1) {
      const demo = await startProgram(args);
      await expectAll(demo);
      const most = 1 + randomInt(30);
      context.diagnostic(`killed after ${most} changes`);
      const changes = (async () => {
        for (let count = 0; count < most + 20; count += 1) {
          const channel = `round-${round}-${count}`;
          await ask(demo, '/channels', { method: 'POST', body: { channel } });
          acknowledged.push(channel);
          if (count === most) void demo.stop('SIGKILL').catch(() => {});
        }
      })();
      await changes.catch(() => {});
      await demo.stop('SIGKILL');
    }
    await using demo = await startProgram(args);
    await expectAll(demo);
  },
);

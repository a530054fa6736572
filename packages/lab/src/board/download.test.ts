import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEnv } from '@rozan/tunnel';
import { startOrigin } from '../testing/origin.ts';
import { download } from './download.ts';
import { startLabSite } from './site.ts';

const env = createEnv({ log: () => {} });
const signal = AbortSignal.timeout(60_000);

test('a download is whole when all bytes came, and they are the right ones', async () => {
  await using site = await startLabSite(env);
  for (const bytes of [0, 1, 100_000, 3_000_001]) {
    const got = await download(await env.network.dial(site.address), { bytes, signal });
    assert.ok(got.isWhole, String(bytes));
    assert.equal(got.bytes, bytes);
  }
});

test('a download of other bytes, of too few, or that is given up is not whole', async () => {
  const answers = {
    wrong: `HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong`,
    short: `HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nno`,
    nothing: '',
  };
  for (const answer of Object.values(answers)) {
    await using origin = await startOrigin((conn) => {
      conn.write(answer);
      if (answer !== '') conn.end();
    });
    const address = { host: '127.0.0.1', port: origin.port };
    const conn = await env.network.dial(address);
    const got = await download(conn, { bytes: 5, signal: answer === '' ? AbortSignal.timeout(50) : signal });
    assert.equal(got.isWhole, false);
  }
});

test('a site that is told so takes its time', async () => {
  await using site = await startLabSite(env);
  const got = await download(await env.network.dial(site.address), { bytes: 20_000, rate: 100_000, signal });
  assert.ok(got.isWhole && got.ms > 100, String(got.ms));
});

// What our hellos look like beside those that they take after, as both leave this machine.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { createBrowserLoader, createEnv } from '@rozan/tunnel';
import type { TlsHello } from '../censor/tls-hello.ts';
import { isGrease, ja4Of } from '../classifiers/tls-fingerprint.ts';
import { needs } from '../testing/tools.ts';
import { captureHello, HELLO_NAME, helloSenders, REFERENCE_SENDER } from './senders.ts';
import { formatHellos } from './table.ts';

const env = createEnv({ log: () => {} });
const withoutGrease = (values: readonly number[]) => values.filter((value) => !isGrease(value));

async function helloOf(name: string): Promise<TlsHello> {
  const sender = (await helloSenders(env)).find((each) => each.name === name);
  assert.ok(sender, name);
  return (await captureHello(env, sender)).hello;
}

for (const name of ['websocket, tls=self', 'http, tls=self']) {
  test(
    `${name}: Chromium's ciphers, signatures and groups in its order, and no extension that it lacks`,
    needs('chromium'),
    async () => {
      const [ours, theirs] = [await helloOf(name), await helloOf(REFERENCE_SENDER)];
      assert.equal(theirs.sni, HELLO_NAME);
      assert.equal(ours.sni, HELLO_NAME);
      for (const list of ['ciphers', 'signatures', 'groups', 'versions'] as const) {
        assert.deepEqual(withoutGrease(ours[list]), withoutGrease(theirs[list]), list);
      }
      assert.deepEqual(ours.alpn, theirs.alpn);
      assert.deepEqual([...new Set(ours.extensions).difference(new Set(theirs.extensions))], []);
      const [, ourCiphers] = ja4Of(ours).split('_');
      const [, theirCiphers] = ja4Of(theirs).split('_');
      assert.equal(ourCiphers, theirCiphers);
    },
  );
}

const hasBrowser = (await createBrowserLoader()()) !== null;

test("websocket, tls=front: a browser's hello, with GREASE, in another order each time, and Chromium's but for what is newer", {
  skip: hasBrowser ? needs('chromium').skip : "no browser's TLS for this platform: wreq-js",
}, async () => {
  const [ours, again] = [await helloOf('websocket, tls=front'), await helloOf('websocket, tls=front')];
  const theirs = await helloOf(REFERENCE_SENDER);
  assert.ok(ours.ciphers.some(isGrease) && ours.extensions.some(isGrease) && ours.groups.some(isGrease));
  assert.notDeepEqual(withoutGrease(ours.extensions), withoutGrease(again.extensions));
  assert.equal(ja4Of(ours), ja4Of(again));
  for (const list of ['ciphers', 'groups', 'versions'] as const) {
    assert.deepEqual(withoutGrease(ours[list]), withoutGrease(theirs[list]), list);
  }
  assert.deepEqual([ours.alpn, ours.pointFormats], [theirs.alpn, theirs.pointFormats]);
  const [sent, expected] = [ours, theirs].map(({ extensions }) => new Set(withoutGrease(extensions)));
  assert.deepEqual([...(sent?.difference(expected ?? new Set()) ?? [])], []);
});

test('a browser has no fixed JA3 but one JA4: two of its hellos have the same', needs('chromium'), async () => {
  const [first, second] = [await helloOf(REFERENCE_SENDER), await helloOf(REFERENCE_SENDER)];
  assert.equal(ja4Of(first), ja4Of(second));
});

test('docs/resistance.md prints the hellos of our transports as they are', async () => {
  const page = await readFile(new URL('../../../../docs/resistance.md', import.meta.url), 'utf8');
  for (const sender of await helloSenders(env)) {
    // Where there is no browser's TLS, this is the row above it.
    if (!sender.isOurs || (sender.name === 'websocket, tls=front' && !hasBrowser)) continue;
    const ja4 = ja4Of((await captureHello(env, sender)).hello);
    // With this prefix a listener draws which protocol it has clients offer first; the page has one of the two.
    const printed = sender.name.includes('prefix') ? ja4.replace('h1_', 'h2_') : ja4;
    assert.ok(page.includes(`| ${sender.name} | \`${printed}\` |`), `${sender.name}: ${ja4}`);
  }
});

test('the table names extensions in hexadecimal, and a dash where there was no browser', () => {
  const row = { name: 'x', isOurs: true, bytes: 9, ja4: 'j', rawJa4: 'r', hasGrease: false };
  const [, , known = '', unknown] = formatHellos([
    { ...row, missing: [0x12, 0xfe0d], extra: [] },
    { ...row, missing: null, extra: null },
  ]).split('\n');
  assert.equal(known, '| x | `j` | 0012 fe0d | none | no | 9 |');
  assert.equal(unknown, '| x | `j` | – | – | no | 9 |');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeBase64url, formatShareLink, signerOf, signServerEntry } from '@rozan/protocol';
import fc from 'fast-check';
import { PublicationError } from '../errors.ts';
import { publicKeyOf } from '../keys.ts';
import { TestPublisher } from '../testing/publisher.ts';
import { type Brand, formatBrand, homeOf, parseBrand } from './brand.ts';

const ENTRY_SEED = Buffer.alloc(32, 1);

function entryLink(seed: Buffer): string {
  const fields = {
    key: Buffer.alloc(32, 9),
    secret: Buffer.alloc(32, 3),
    issuedMs: 0,
    expiresMs: 86_400_000,
    transports: [{ transport: 'opaque', addresses: ['192.0.2.1:443'], params: {} }],
  };
  return formatShareLink(signServerEntry(fields, seed));
}

const publisher = await TestPublisher.create();
const BRAND: Brand = {
  network: 'روزن',
  channel: 'friends',
  partner: 'A newsroom',
  root: await publisher.rootBytes(),
  entryKey: signerOf(ENTRY_SEED),
  tacticsKeys: [Buffer.alloc(32, 4)],
  bucket: Buffer.alloc(32, 5),
  entries: [entryLink(ENTRY_SEED)],
  mirrors: ['https://mirror.example/papers/', 'http://192.0.2.7:8080/'],
  homes: new Map([
    ['*', 'https://news.example/'],
    ['IR', 'https://news.example/fa'],
  ]),
  partnerKeys: new Map([['newsroom', publicKeyOf(Buffer.alloc(32, 6))]]),
  feedback: ['age1example'],
};

/** The brand's file with members changed; undefined takes one away. */
function changed(members: { readonly [name: string]: unknown }): Buffer {
  return Buffer.from(JSON.stringify({ ...JSON.parse(formatBrand(BRAND).toString('utf8')), ...members }));
}

test('a brand comes back as it was, and members of later versions are skipped', () => {
  assert.deepEqual(parseBrand(formatBrand(BRAND)), BRAND);
  assert.deepEqual(parseBrand(changed({ motto: 'later' })), BRAND);
  const bare: Brand = {
    ...BRAND,
    partner: null,
    tacticsKeys: [],
    entries: [],
    mirrors: [],
    homes: new Map(),
    partnerKeys: new Map(),
    feedback: [],
  };
  assert.deepEqual(parseBrand(formatBrand(bare)), bare);
  const without = { tacticsKeys: undefined, homes: undefined, partnerKeys: undefined, feedback: undefined };
  assert.deepEqual(parseBrand(changed({ ...without, partner: undefined, entries: [], mirrors: [] })), bare);
});

test('what would mislead a client is refused', () => {
  const wrong: readonly { readonly [name: string]: unknown }[] = [
    { v: 2 },
    { network: '' },
    { network: 'two\nlines' },
    { channel: 'a channel' },
    { root: 'bm8gcm9vdA==' },
    { root: `${BRAND.root.toString('base64')}\n` },
    { entryKey: 'AAAA' },
    { bucket: undefined },
    { entries: [entryLink(Buffer.alloc(32, 2))] },
    { entries: ['rozan://nothing'] },
    { entries: new Array(65).fill(BRAND.entries[0]) },
    { mirrors: ['ftp://mirror.example/'] },
    { mirrors: ['https://name:word@mirror.example/'] },
    { homes: { Iran: 'https://news.example/' } },
    { homes: { IR: 'javascript:alert(1)' } },
    { partnerKeys: { newsroom: 'AAAA' } },
    { feedback: ['with a space'] },
  ];
  for (const members of wrong) {
    assert.throws(() => parseBrand(changed(members)), PublicationError, JSON.stringify(members).slice(0, 80));
  }
  assert.throws(() => parseBrand(Buffer.alloc(1024 * 1024, 0x20)), { code: 'too-large' });
  assert.throws(() => formatBrand({ ...BRAND, entryKey: decodeBase64url('A'.repeat(43)) }), PublicationError);
});

test('the home page is that of the country, or of everywhere else', () => {
  assert.equal(homeOf(BRAND, 'IR'), 'https://news.example/fa');
  assert.equal(homeOf(BRAND, 'CN'), 'https://news.example/');
  assert.equal(homeOf(BRAND, null), 'https://news.example/');
  assert.equal(homeOf({ homes: new Map() }, 'IR'), null);
});

test('whatever comes is read or refused with a typed error', () => {
  const file = formatBrand(BRAND);
  const names = Object.keys(JSON.parse(file.toString('utf8')));
  const typed = (bytes: Buffer) => {
    try {
      parseBrand(bytes);
    } catch (error) {
      assert.ok(error instanceof PublicationError, String(error));
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => typed(Buffer.from(bytes))));
  fc.assert(fc.property(fc.constantFrom(...names), fc.jsonValue(), (name, value) => typed(changed({ [name]: value }))));
  fc.assert(fc.property(fc.nat({ max: file.length - 1 }), (length) => typed(file.subarray(0, length))));
});

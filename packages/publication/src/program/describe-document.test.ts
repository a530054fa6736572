import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readPending } from '../make/pending.ts';
import { draftKeyChange } from '../make/propose.ts';
import { parseDocument, signMetadata } from '../metadata.ts';
import { TestPublisher } from '../testing/publisher.ts';
import { describeDocument, shortId } from './describe-document.ts';

test('a person reads which keys go and which come', async () => {
  const publisher = await TestPublisher.create();
  const [lost] = publisher.keys.root;
  const fresh = publisher.drawKey();
  assert.ok(lost);
  await draftKeyChange(publisher, { role: 'root', add: [fresh], remove: [lost.id] }, publisher.clock.wallMs());
  const draft = (await readPending(publisher.pending)).get('root')?.bytes ?? Buffer.alloc(0);
  const lines = describeDocument(draft, await publisher.rootBytes());
  assert.ok(lines.includes(`  no more: root has the key ${shortId(lost.id)}`));
  assert.ok(lines.includes(`  new: root has the key ${shortId(fresh.id)}`));
  assert.ok(lines.includes('Nobody has signed it yet.'));
  assert.ok(lines.some((line) => line.startsWith('root may name the keys of all others here: 2 of 3 keys')));
});

test('what deceives the eye is shown as what it is, and nothing that is signed is left out', async () => {
  const publisher = await TestPublisher.create();
  const releases = await publisher.storage.read('metadata/1.releases.json');
  const { signed } = parseDocument(releases ?? Buffer.alloc(0));
  const target = { length: 3, hashes: { sha256: 'ab'.repeat(32) }, custom: { version: '2' } };
  const forged = { ...signed, targets: { 'releases/\u001b[2Ja\u202eb\nc': target }, surprise: { a: 1 } };
  const lines = describeDocument(signMetadata(forged, []));
  assert.ok(lines.every((line) => /^[ -~]*$/.test(line)));
  assert.ok(lines.some((line) => line.includes('\\u{1b}[2Ja\\u{202e}b\\u{a}c')));
  assert.ok(lines.some((line) => line.includes('{"version":"2"}')));
  assert.ok(lines.includes('It also says "surprise": {"a":1}.'));
  assert.throws(() => describeDocument(Buffer.from('{}')), { code: 'malformed' });
});

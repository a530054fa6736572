import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ProtocolError } from '@rozan/protocol';
import { SeededRandom, temporaryFolder } from '@rozan/tunnel/testing';
import fc from 'fast-check';
import { createEntryLink } from '../server-entry.ts';
import { createRelayFolder } from './relay-folder.ts';
import { addSiblings, parseSiblings, readSiblings, removeSibling } from './sibling-list.ts';

const NOW_MS = Date.UTC(2026, 0, 1);

/** A relay with a folder, and the link to it. */
async function makeRelay(parent: string, seed: number) {
  const folder = join(parent, `relay-${seed}`);
  const listen = [{ transport: 'opaque', address: { host: '192.0.2.1', port: 443 }, settings: {} }];
  const config = await createRelayFolder(new SeededRandom(seed), folder, { listen });
  const link = createEntryLink(config, 'default', NOW_MS);
  const [sibling] = parseSiblings(link);
  assert.ok(sibling !== undefined);
  return { folder, config, link, sibling };
}

async function makeRelays(context: TestContext, count: number) {
  const parent = await temporaryFolder(context);
  const relays: Awaited<ReturnType<typeof makeRelay>>[] = [];
  for (let seed = 1; seed <= count; seed += 1) relays.push(await makeRelay(parent, seed));
  const [own, ...others] = relays;
  assert.ok(own !== undefined);
  return { own, others };
}

test('siblings are kept, replaced and removed; the file is for its owner only', async (context) => {
  const { own, others } = await makeRelays(context, 3);
  const [one, two] = others;
  assert.ok(one !== undefined && two !== undefined);
  assert.deepEqual(await readSiblings(own.folder), []);
  await addSiblings(own.folder, [one.sibling]);
  await addSiblings(own.folder, [two.sibling]);
  const later = parseSiblings(createEntryLink(one.config, 'default', NOW_MS + 86_400_000));
  await addSiblings(own.folder, later);
  const kept = await readSiblings(own.folder);
  assert.deepEqual(new Set(kept.map(({ link }) => link)), new Set([later[0]?.link, two.link]));
  assert.equal((await stat(join(own.folder, 'siblings'))).mode & 0o777, 0o600);
  await removeSibling(own.folder, one.sibling.entry.relay);
  assert.deepEqual(
    (await readSiblings(own.folder)).map(({ link }) => link),
    [two.link],
  );
  await assert.rejects(removeSibling(own.folder, one.sibling.entry.relay), { code: 'siblings-unknown' });
  await removeSibling(own.folder, two.sibling.entry.relay);
  assert.deepEqual(await readSiblings(own.folder), []);
});

test('a relay is no sibling of its own, and has no more than twelve', async (context) => {
  const { own, others } = await makeRelays(context, 14);
  await assert.rejects(addSiblings(own.folder, [own.sibling]), { code: 'siblings-own' });
  const siblings = others.map(({ sibling }) => sibling);
  await assert.rejects(addSiblings(own.folder, siblings), { code: 'siblings-full' });
  await addSiblings(own.folder, siblings.slice(1));
  await assert.rejects(addSiblings(own.folder, siblings.slice(0, 1)), { code: 'siblings-full' });
  assert.equal((await readSiblings(own.folder)).length, 12);
});

test('a file that holds anything else is refused, and what is in there is not quoted', async (context) => {
  const { own, others } = await makeRelays(context, 2);
  const link = others[0]?.link ?? '';
  for (const text of ['nonsense', `${link}x`, link.slice(0, -8), `${link}\nhttp://example.org/`]) {
    await writeFile(join(own.folder, 'siblings'), text, { mode: 0o600 });
    await assert.rejects(readSiblings(own.folder), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'folder-broken');
      assert.ok(!error.message.includes('nonsense') && !error.message.includes(link.slice(8, 30)));
      return true;
    });
  }
});

test('any text is read or refused', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 300 }), (text) => {
      try {
        parseSiblings(text);
      } catch (error) {
        assert.ok(error instanceof ProtocolError);
      }
    }),
  );
});

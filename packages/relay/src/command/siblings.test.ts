import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { SeededRandom, temporaryFolder } from '@rozan/tunnel/testing';
import { createRelayFolder, readRelayConfig } from '../data-folder/relay-folder.ts';
import { readSiblings } from '../data-folder/sibling-list.ts';
import { keepSettings } from '../enrolment/enrolment-file.ts';
import { TEST_SETTINGS } from '../enrolment/testing/fake-control.ts';
import { createEntryLink } from '../server-entry.ts';
import { addSiblingsFrom, dropSibling, listSiblings } from './siblings.ts';

const LISTEN = [{ transport: 'opaque', address: { host: '127.0.0.1', port: 4443 }, settings: {} }];

test('whose relay it is says who its siblings are: its operator by the list, or its control plane', async (context) => {
  const root = await temporaryFolder(context);
  const [own, other] = [join(root, 'own'), join(root, 'other')];
  await createRelayFolder(new SeededRandom(1), own, { listen: LISTEN });
  await createRelayFolder(new SeededRandom(2), other, { listen: LISTEN });
  const link = createEntryLink(await readRelayConfig(other), 'default', Date.now());
  const file = join(root, 'link');
  await writeFile(file, link);
  assert.match(await addSiblingsFrom(own, file), /^Added /);
  const [listed] = JSON.parse(await listSiblings(own, true));

  await keepSettings(own, TEST_SETTINGS);
  const refusal = {
    code: 'enrolled',
    message: /control plane says/,
    remedy: /Nothing has changed.*control relay serve/,
  };
  await assert.rejects(addSiblingsFrom(own, file), refusal);
  await assert.rejects(dropSibling(own, listed.relay), refusal);
  assert.equal(await listSiblings(own, false), 'No siblings.', 'those of its network, which has given none');
  assert.equal((await readSiblings(own)).length, 1);
  await keepSettings(own, { ...TEST_SETTINGS, siblings: [link] });
  assert.deepEqual(JSON.parse(await listSiblings(own, true)), [listed]);
});

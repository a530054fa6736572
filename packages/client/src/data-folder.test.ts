import assert from 'node:assert/strict';
import { test } from 'node:test';
import { temporaryFolder } from '@rozan/tunnel/testing';
import { ClientFolder } from './data-folder.ts';

test('links that are given while others are being taken are not lost', async (context) => {
  const folder = await ClientFolder.open(await temporaryFolder(context));
  assert.deepEqual(await folder.addedLinks(), []);
  await folder.addLinks(['rozan://a', 'rozan://b']);
  assert.deepEqual(await folder.addedLinks(), ['rozan://a', 'rozan://b']);
  await folder.addLinks(['rozan://c']);
  assert.deepEqual(await folder.addedLinks(), ['rozan://a', 'rozan://b'], 'until they are known');
  await folder.forgetAdded();
  assert.deepEqual(await folder.addedLinks(), ['rozan://c']);
  await folder.forgetAdded();
  assert.deepEqual(await folder.addedLinks(), []);
});

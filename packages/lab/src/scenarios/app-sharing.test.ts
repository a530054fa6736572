import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { openAppBrowser } from '../testing/app-browser.ts';
import { createAppWorld } from '../testing/app-world.ts';
import { writeQrFilm } from '../testing/qr-film.ts';
import { needs } from '../testing/tools.ts';

const PERMISSIONS = { permissions: ['clipboard-read', 'clipboard-write', 'camera'] };

async function saved(page: Page, button: string, path: string): Promise<string> {
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: button }).click();
  await (await download).saveAs(path);
  return path;
}

test(
  'an entry goes from one person to another as link, file, picture, and before a camera',
  needs('chromium'),
  async () => {
    await using world = await createAppWorld();
    await using giver = await world.startClient('giver', '--entry', world.link);
    const film = join(world.folder, 'film.y4m');
    await writeQrFilm(film, world.link);
    await using browser = await openAppBrowser([
      '--use-fake-ui-for-media-stream',
      '--use-fake-device-for-media-stream',
      `--use-file-for-fake-video-capture=${film}`,
    ]);
    const page = await browser.newPage(PERMISSIONS);
    await page.goto(giver.text('ui'));
    await page.getByRole('link', { name: 'Ways in' }).click();
    await page.getByRole('button', { name: 'Share Way 1' }).click();
    await page.getByText('Whoever has this can use the relay').waitFor();
    await page.getByRole('button', { name: 'Copy the link' }).click();
    assert.equal(await page.getByLabel('The link', { exact: true }).inputValue(), world.link);
    const file = await saved(page, 'Save as file', join(world.folder, 'entry.txt'));
    const picture = await saved(page, 'Save as picture', join(world.folder, 'entry.png'));
    assert.equal(await readFile(file, 'utf8'), `${world.link}\n`);
    await page.getByRole('button', { name: 'Close' }).click();

    const ways: readonly (readonly [string, (taker: Page) => Promise<void>])[] = [
      ['file', (taker) => taker.getByLabel('Picture or file').setInputFiles(file)],
      ['picture', (taker) => taker.getByLabel('Picture or file').setInputFiles(picture)],
      ['camera', (taker) => taker.getByRole('button', { name: 'Camera' }).click()],
    ];
    for (const [name, take] of ways) {
      await using client = await world.startClient(name);
      const taker = await browser.newPage(PERMISSIONS);
      await taker.goto(client.text('ui'));
      await taker.getByRole('heading', { name: 'Welcome to Rozan' }).waitFor();
      await take(taker);
      await taker.getByRole('button', { name: 'Connect' }).click();
      await taker.getByRole('heading', { name: 'Connected' }).waitFor();
      await taker.close();
    }
  },
);

test('what is no entry is refused in words that help', needs('chromium'), async () => {
  await using world = await createAppWorld();
  await using client = await world.startClient('client', '--entry', world.link);
  await using browser = await openAppBrowser();
  const page = await browser.newPage();
  await page.goto(client.text('ui'));
  await page.getByRole('link', { name: 'Ways in' }).click();
  const paste = async (text: string) => {
    await page.getByLabel('Paste a link').fill(text);
    await page.getByRole('button', { name: 'Add', exact: true }).click();
  };
  await paste('good morning');
  await page.getByText('There is no link in it.').waitFor();
  await paste(world.link.slice(0, 60));
  await page.getByText('A link is damaged or not complete.').waitFor();
  await paste(world.link);
  await page.getByText('You had 1 of them already.').waitFor();
  const blank = join(world.folder, 'blank.png');
  const dot = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
  await writeFile(blank, Buffer.from(dot, 'base64'));
  await page.getByLabel('Picture or file').setInputFiles(blank);
  await page.getByText('Nothing was found in there.').waitFor();
  await writeFile(blank, Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 1, 2]));
  await page.getByLabel('Picture or file').setInputFiles(blank);
  await page.getByText('Nothing was found in there.').waitFor();
});

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createEnv, formatAddress } from '@rozan/tunnel';
import type { Page } from 'playwright-core';
import { openAppBrowser } from '../testing/app-browser.ts';
import { createAppWorld } from '../testing/app-world.ts';
import { needs } from '../testing/tools.ts';
import { freeAddress } from '../world.ts';

/** Resolves when the page has this as its heading. */
const heading = (page: Page, name: string | RegExp) => page.getByRole('heading', { level: 1, name }).waitFor();
const press = (page: Page, name: string | RegExp) => page.getByRole('button', { name }).click();
const goTo = (page: Page, name: string) => page.getByRole('link', { name, exact: true }).click();

test(
  'first start: a pasted message, one button, and it is through; a cut costs nothing',
  needs('chromium'),
  async () => {
    await using world = await createAppWorld();
    await using client = await world.startClient('client');
    await using browser = await openAppBrowser();
    const page = await browser.newPage();
    await page.goto(client.text('ui'));
    await heading(page, 'Welcome to Rozan');
    // The code has left the address before anybody could copy it.
    assert.doesNotMatch(page.url(), /code/);
    await page.getByLabel('Paste a link').fill(`Hello! Try this: ${world.link} and greet the others`);
    await press(page, 'Add');
    await heading(page, 'Not connected');
    await press(page, 'Connect');
    await heading(page, 'Connected');
    await page.getByText('looks like nothing in particular').waitFor();
    assert.equal(await page.title(), 'Connected · Rozan');
    world.gate.cut();
    await page.getByText(/It was cut (once|\d times); nothing was lost\./).waitFor();
    await heading(page, 'Connected');
    // The key lasts as long as the tab.
    await page.reload();
    await heading(page, 'Connected');
    await press(page, 'Disconnect');
    await heading(page, 'Not connected');
  },
);

test(
  'blocked: it says so, why, and what to do, and connects as soon as there is a way',
  needs('chromium'),
  async () => {
    await using world = await createAppWorld();
    world.gate.shut();
    await using client = await world.startClient('client', '--entry', world.link);
    await using browser = await openAppBrowser();
    const page = await browser.newPage({ permissions: ['clipboard-read', 'clipboard-write'] });
    await page.goto(client.text('ui'));
    await heading(page, 'No way through yet');
    await page.getByText('The one way in has been tried without success.').waitFor();
    await page.getByRole('link', { name: "Why doesn't it connect?" }).click();
    await heading(page, "Why doesn't it connect?");
    await page.getByText('Connections begin and are then broken off.').waitFor();
    await page
      .getByText(/while (connecting|greeting the relay)/)
      .first()
      .waitFor();
    await press(page, 'Copy a report');
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    const report = await page.evaluate('navigator.clipboard.readText()');
    assert.match(String(report), /^Rozan \d+\.\d+\.\d+\ncut: \d+\/\d+\nopaque (connect|handshake)/);
    assert.doesNotMatch(String(report), /127\.0\.0\.1|rozan:\/\//);
    world.gate.open();
    await heading(page, 'It is connected');
    await goTo(page, 'Home');
    await heading(page, 'Connected');
  },
);

test('settings are kept, and strangers are let in only when asked twice', needs('chromium'), async () => {
  await using world = await createAppWorld();
  await using browser = await openAppBrowser();
  const page = await browser.newPage();
  {
    await using client = await world.startClient('client', '--entry', world.link);
    await page.goto(client.text('ui'));
    await goTo(page, 'Settings');
    await page.getByLabel('Port of the HTTP proxy').fill('18080');
    await page.getByLabel('Port of the SOCKS5 proxy').fill('18080');
    const [savePorts, saveProxy] = [
      page.getByRole('button', { name: 'Save' }).first(),
      page.getByRole('button', { name: 'Save' }).last(),
    ];
    await savePorts.click();
    await page.getByText('The two ports have to be different.').waitFor();
    await page.getByLabel('Port of the SOCKS5 proxy').fill('11080');
    await savePorts.click();
    await page.getByText('Saved.').waitFor();
    await page.getByText('Some settings take effect when Rozan is started again.').first().waitFor();
    const share = page.getByRole('switch', { name: 'Share with other devices on this network' });
    await share.click();
    await press(page, 'Cancel');
    assert.equal(await share.isChecked(), false);
    await share.click();
    await press(page, 'Share with everyone');
    await page.waitForFunction("document.querySelectorAll('[role=switch][aria-checked=true]').length === 2");
    await page.getByLabel('Proxy that this network demands').selectOption('HTTP');
    await page.getByLabel('Address', { exact: true }).fill('proxy.lan');
    await page.getByLabel('Port', { exact: true }).fill('3128');
    await page.getByLabel('Password, if it wants one').fill('secret-word');
    await saveProxy.click();
    await page.locator('form').last().getByText('Saved.').waitFor();
    await page.getByRole('banner').getByLabel('Language').selectOption('ru');
    await heading(page, 'Настройки');
  }
  await page.getByText('Rozan не отвечает.').waitFor();
  const kept = JSON.parse(await readFile(join(world.folder, 'client', 'settings.json'), 'utf8'));
  const { httpPort, socksPort, shareOnLan, language, upstreamProxy } = kept;
  assert.deepEqual([httpPort, socksPort, shareOnLan, language], [18080, 11080, true, 'ru']);
  assert.deepEqual(upstreamProxy, { kind: 'http', host: 'proxy.lan', port: 3128, user: '', password: 'secret-word' });
});

test('a client that was started anew wants its new link, and says how to get it', needs('chromium'), async () => {
  await using world = await createAppWorld();
  await using browser = await openAppBrowser();
  const page = await browser.newPage();
  // For two clients, one after the other.
  const port = ['--ui', formatAddress(await freeAddress(createEnv({ log: () => {} })))];
  {
    await using client = await world.startClient('client', '--entry', world.link, ...port);
    await page.goto(client.text('ui'));
    await heading(page, 'Connected');
  }
  await page.getByText('Rozan does not answer.').waitFor();
  await using _again = await world.startClient('client', ...port);
  await heading(page, 'Open Rozan again');
  await page.goto((await readFile(join(world.folder, 'client', 'app-link'), 'utf8')).trim());
  await heading(page, /Connect/);
});

test('the keyboard alone gets through, and comes to what it has chosen', needs('chromium'), async () => {
  await using world = await createAppWorld();
  await using client = await world.startClient('client', '--entry', world.link);
  await using browser = await openAppBrowser();
  const page = await browser.newPage();
  await page.goto(client.text('ui'));
  await heading(page, 'Connected');
  const focused = () => page.evaluate('document.activeElement.innerText');
  const tabTo = async (text: string) => {
    for (let i = 0; i < 20; i++) {
      if (String(await focused()).trim() === text) return;
      await page.keyboard.press('Tab');
    }
    assert.fail(`the keyboard does not get to ${text}`);
  };
  await tabTo('Skip to the content');
  await page.keyboard.press('Enter');
  await tabTo('Disconnect');
  await page.keyboard.press('Enter');
  await heading(page, 'Not connected');
  await page.keyboard.press('Space');
  await heading(page, 'Connected');
  await page.reload();
  await heading(page, 'Connected');
  await tabTo('Protection');
  await page.keyboard.press('Enter');
  await heading(page, 'What is protected, and what is not');
  assert.match(String(await focused()), /What is protected/);
});

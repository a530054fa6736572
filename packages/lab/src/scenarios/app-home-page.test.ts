import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openAppBrowser } from '../testing/app-browser.ts';
import { createFakeGnome } from '../testing/fake-gnome.ts';
import { startProgram } from '../testing/program.ts';
import { needs } from '../testing/tools.ts';
import { createScratchFolder } from '../world.ts';

const DOORS = ['--socks', '127.0.0.1:0', '--http', '127.0.0.1:0'];

test(
  "the partner's page opens on connecting, but only where the computer goes through Rozan",
  needs('chromium'),
  async () => {
    await using scratch = await createScratchFolder();
    const gnome = await createFakeGnome(scratch.path);
    await using demo = await startProgram(['demo', ...DOORS]);
    const args = [
      'client',
      '--brand',
      demo.text('brand'),
      '--data',
      join(scratch.path, 'client'),
      '--ui',
      '127.0.0.1:0',
    ];
    await using client = await startProgram([...args, ...DOORS], { env: gnome.env });
    await using browser = await openAppBrowser();
    const page = await browser.newPage();
    await page.goto(client.text('ui'));
    const heading = (name: string) => page.getByRole('heading', { name, exact: true }).waitFor();
    await heading('Connected');
    // Here it would be asked for in the open: the address is shown, and no link leads there.
    await page.getByText('so the page would be opened in the open').waitFor();
    assert.equal(await page.getByRole('link', { name: /^Open / }).count(), 0);
    await page.getByText(demo.text('site'), { exact: true }).waitFor();
    await page.getByRole('switch', { name: 'Use Rozan on this computer' }).click();
    await page.getByRole('link', { name: /^Open 127\.0\.0\.1/ }).waitFor();
    assert.equal(await gnome.proxyMode(), "'manual'");
    await page.getByRole('button', { name: 'Disconnect' }).click();
    await heading('Not connected');
    const popup = page.context().waitForEvent('page');
    await page.getByRole('button', { name: 'Connect' }).click();
    await heading('Connected');
    const home = await popup;
    await home.waitForURL(demo.text('site'));
    assert.equal(await home.title(), 'Rozan demo site');
    assert.equal(await home.evaluate('document.referrer + String(window.opener)'), 'null');
  },
);

test(
  'the demo has the app: its page is the demo site, and nothing of this computer is touched',
  needs('chromium'),
  async () => {
    await using demo = await startProgram(['demo', ...DOORS]);
    await using browser = await openAppBrowser();
    const page = await browser.newPage();
    await page.goto(demo.text('ui'));
    await page.getByRole('heading', { name: 'Connected', exact: true }).waitFor();
    await page.getByText(demo.text('site'), { exact: true }).waitFor();
    await page.getByRole('link', { name: 'Ways in' }).click();
    await page.getByRole('heading', { name: 'You have 3 ways in' }).waitFor();
    await page.getByRole('link', { name: 'Settings' }).click();
    for (const name of ['Use Rozan on this computer', 'Start Rozan when I log in']) {
      assert.equal(await page.getByRole('switch', { name }).isDisabled(), true, name);
    }
  },
);

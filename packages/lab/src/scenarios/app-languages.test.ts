import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import type { Page } from 'playwright-core';
import { findBarriers, openAppBrowser } from '../testing/app-browser.ts';
import { createAppWorld } from '../testing/app-world.ts';
import { needs } from '../testing/tools.ts';

const DIRECTIONS = { en: 'ltr', fa: 'rtl', ar: 'rtl', 'zh-Hans': 'ltr', ru: 'ltr' } as const;
const PAGES = ['home', 'entries', 'settings', 'safety', 'why'];
/** A narrow phone in the dark, and a desktop. */
const VIEWS = [
  { width: 320, colorScheme: 'dark' },
  { width: 1200, colorScheme: 'light' },
] as const;
const BUILD = resolve(import.meta.dirname, '../../../client/ui/build.mjs');
const MAX_FIRST_LOAD_BYTES = 120 * 1024;

/** What is wrong with the page as it is: barriers, and what does not fit its width. */
async function findFaults(page: Page): Promise<string[]> {
  const tooWide = await page.evaluate('document.documentElement.scrollWidth > innerWidth');
  return [...(await findBarriers(page)), ...(tooWide === true ? ['wider than the window'] : [])];
}

async function visit(page: Page, language: string, name: string): Promise<void> {
  await page.goto(`${new URL(page.url()).origin}/?lang=${language}#${name}`);
  await page.locator('h1').waitFor();
}

async function lookAtAll(page: Page, language: string): Promise<string[]> {
  const faults: string[] = [];
  for (const name of PAGES) {
    await visit(page, language, name);
    for (const { width, colorScheme } of VIEWS) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      faults.push(...(await findFaults(page)).map((fault) => `${name}, ${width}, ${colorScheme}: ${fault}`));
    }
  }
  await visit(page, language, 'entries');
  await page.locator('li button').click();
  await page.locator('dialog[open] svg.qr').waitFor();
  return [...faults, ...(await findFaults(page)).map((fault) => `sharing: ${fault}`)];
}

test(
  'every page in every language, on phone and desktop, light and dark, without barriers',
  needs('chromium'),
  async (context: TestContext) => {
    await using world = await createAppWorld();
    await using client = await world.startClient('client', '--entry', world.link);
    await using browser = await openAppBrowser();
    const page = await browser.newPage({ reducedMotion: 'reduce' });
    await page.goto(client.text('ui'));
    await page.locator('button.connected').waitFor();
    for (const [language, direction] of Object.entries(DIRECTIONS)) {
      await context.test(language, async () => {
        await visit(page, language, 'home');
        const html = page.locator('html');
        assert.deepEqual([await html.getAttribute('lang'), await html.getAttribute('dir')], [language, direction]);
        assert.deepEqual(await lookAtAll(page, language), []);
      });
    }
  },
);

test('the first page is small', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [BUILD]);
  const built = stdout.trim();
  const index = await readFile(join(built, 'index.html'), 'utf8');
  const linked = [...index.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path = '']) => path);
  // The largest of the languages comes on top of what every reader loads.
  const languages = (await readdir(join(built, 'assets'))).filter((name) => /^(fa|ar|zh|ru)-/.test(name));
  const sizeOf = async (path: string) => gzipSync(await readFile(join(built, path))).length;
  const sizes = await Promise.all(['index.html', ...linked].map(sizeOf));
  const largest = Math.max(...(await Promise.all(languages.map((name) => sizeOf(join('assets', name))))));
  const bytes = sizes.reduce((sum, size) => sum + size, largest);
  assert.ok(bytes < MAX_FIRST_LOAD_BYTES, `${bytes} bytes`);
});

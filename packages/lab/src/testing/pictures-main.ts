import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { EXIT_CODE, runProgram } from '@rozan/tunnel/program';
import type { Page } from 'playwright-core';
import { openAppBrowser } from './app-browser.ts';
import { type AppWorld, createAppWorld } from './app-world.ts';
import { createFakeGnome } from './fake-gnome.ts';

const LANGUAGES = ['en', 'fa'];
const VIEW = { viewport: { width: 420, height: 760 }, deviceScaleFactor: 1.5, reducedMotion: 'reduce' } as const;
/** Until a picture has something to show: rates of some seconds. */
const SOON_MS = 3_000;

type Shoot = (name: string) => Promise<void>;

async function open(page: Page, url: string, language: string): Promise<void> {
  await page.goto(url.replace('/#', `/?lang=${language}#`));
  await page.locator('h1').waitFor();
}

async function shootConnected(page: Page, shoot: Shoot): Promise<void> {
  await page.locator('button.off').click();
  await page.locator('button.connected').waitFor();
  await page.waitForTimeout(SOON_MS);
  await shoot('connected');
  await page.evaluate("location.hash = 'settings'");
  await page.locator('#start').waitFor();
  await shoot('settings');
  await page.evaluate("location.hash = 'entries'");
  await page.locator('li button').click();
  await page.locator('dialog svg.qr').waitFor();
  await shoot('share');
}

async function shootAll(world: AppWorld, language: string, folder: string): Promise<void> {
  await using browser = await openAppBrowser();
  await using client = await world.startClient(`client-${language}`);
  const page = await browser.newPage(VIEW);
  const shoot = async (name: string) => {
    await page.screenshot({ path: join(folder, `${name}.${language}.png`) });
  };
  await open(page, client.text('ui'), language);
  await shoot('welcome');
  await page.locator('textarea').fill(world.link);
  await page.locator('form button[type=submit]').click();
  await shootConnected(page, shoot);
  world.gate.shut();
  await using other = await world.startClient(`blocked-${language}`, '--entry', world.link);
  await open(page, other.text('ui'), language);
  await page.locator('button.blocked').waitFor();
  await page.evaluate("location.hash = 'why'");
  await page.locator('#account').waitFor();
  await shoot('why');
  world.gate.open();
}

/** Makes the pictures of the user's guide: `node bin/run.mjs packages/lab/src/testing/pictures-main.ts [FOLDER]`. Needs Chromium. */
export function main(args: string[]): Promise<number> {
  const folder = resolve(args[0] ?? 'docs/guides/pictures');
  return runProgram('pictures', async () => {
    await mkdir(folder, { recursive: true });
    for (const language of LANGUAGES) {
      await using world = await createAppWorld();
      // As most people see it: on a desktop, of which everything is at hand.
      Object.assign(process.env, (await createFakeGnome(world.folder)).env);
      await shootAll(world, language, folder);
    }
    return EXIT_CODE.fine;
  });
}

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { CHROMIUM_ARGS } from './chromium-args.ts';
import { findCommand } from './tools.ts';

/** Generous: several test files start programs and browsers at once on a small machine. */
const PAGE_MS = 60_000;
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/** A Chromium in which the app is opened. Disposing it asserts that no page has asked for anything off this machine, or has had an error. */
export interface AppBrowser extends AsyncDisposable {
  /** A tab with nothing kept from others. */
  newPage(options?: BrowserContextOptions): Promise<Page>;
}

/** Starts Debian's Chromium, in which no name leads anywhere but those of `names`, which lead to this machine. */
export async function openAppBrowser(args: readonly string[] = [], names: readonly string[] = []): Promise<AppBrowser> {
  const local = new Set(['127.0.0.1', 'localhost', ...names]);
  const rules = [...names.map((name) => `MAP ${name} 127.0.0.1`), 'MAP * ~NOTFOUND', 'EXCLUDE 127.0.0.1'];
  const browser: Browser = await chromium.launch({
    executablePath: findCommand('chromium') ?? 'chromium',
    args: [...CHROMIUM_ARGS, `--host-resolver-rules=${rules.join(', ')}`, ...args],
    timeout: PAGE_MS,
  });
  const foreign: string[] = [];
  const errors: string[] = [];
  return {
    newPage: async (options) => {
      const context = await browser.newContext(options);
      context.setDefaultTimeout(PAGE_MS);
      context.on('request', (request) => {
        const { protocol, hostname } = new URL(request.url());
        if (!['blob:', 'data:', 'file:'].includes(protocol) && !local.has(hostname)) foreign.push(request.url());
      });
      context.on('weberror', (error) => errors.push(error.error().message));
      context.on('console', (message) => {
        // What the policy of the page has stopped is an error of the page; but not that it is in nobody's frame.
        const text = message.text();
        if (text.includes('Content Security Policy') && !text.includes('frame-ancestors')) errors.push(message.text());
      });
      return await context.newPage();
    },
    [Symbol.asyncDispose]: async () => {
      await browser.close();
      assert.deepEqual(foreign, [], 'requests that leave this machine');
      assert.deepEqual(errors, [], 'errors of pages');
    },
  };
}

/** What axe finds wrong with what a page shows, in a line each. */
export async function findBarriers(page: Page): Promise<string[]> {
  await page.evaluate(await readFile(AXE, 'utf8'));
  const found: unknown = await page.evaluate(`axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  }).then(({ violations }) => violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => id + ': ' + target)))`);
  assert.ok(Array.isArray(found));
  return found.map(String);
}

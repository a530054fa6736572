import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chromium } from 'playwright-core';
import { startProgram } from '../testing/program.ts';
import { findCommand, needs } from '../testing/tools.ts';

const PAGE_MS = 60_000;
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // The site is on this machine, and Chromium goes to loopback directly unless it is told otherwise.
  '--proxy-bypass-list=<-loopback>',
  // What it would reach by itself has no business in a test: here the relay's guard refuses it.
  '--gaia-url=http://127.0.0.1:1/',
  '--component-updater=url-source=http://127.0.0.1:1/',
];

interface LoadedPage {
  readonly title: string;
  /** The width of each image in pixels; 0 for one that has not come. */
  readonly imageWidths: readonly number[];
}

/** Loads a page in a Chromium of its own, with a profile that goes away with it. */
async function loadPage(url: string, proxy: string): Promise<LoadedPage> {
  const browser = await chromium.launch({
    executablePath: findCommand('chromium') ?? 'chromium',
    args: [...ARGS, `--proxy-server=${proxy}`],
    timeout: PAGE_MS,
  });
  try {
    const page = await browser.newPage();
    const answer = await page.goto(url, { waitUntil: 'load', timeout: PAGE_MS });
    assert.equal(answer?.status(), 200);
    const imageWidths = await page
      .locator('img')
      .evaluateAll((images) => images.map((image) => Number(Reflect.get(image, 'naturalWidth'))));
    return { title: await page.title(), imageWidths };
  } finally {
    await browser.close();
  }
}

test('Chromium shows the demo site with its images through both proxies', needs('chromium'), async () => {
  await using demo = await startProgram(['demo', '--socks', '127.0.0.1:0', '--http', '127.0.0.1:0']);
  for (const proxy of [`socks5://${demo.text('socks')}`, `http://${demo.text('http')}`]) {
    const { title, imageWidths } = await loadPage(demo.text('site'), proxy);
    assert.equal(title, 'Rozan demo site');
    assert.equal(imageWidths.length, 6);
    assert.ok(
      imageWidths.every((width) => width > 0),
      `${proxy}: ${imageWidths}`,
    );
  }
  const failures = demo.events.filter(({ event, code }) => event === 'stream.failed' && code !== 'forbidden');
  assert.deepEqual(failures, []);
});

test('Chromium shows nothing when the proxy is gone: the page came through it', needs('chromium'), async () => {
  await using demo = await startProgram(['demo', '--socks', '127.0.0.1:0', '--http', '127.0.0.1:0']);
  const gone = `socks5://${demo.text('socks')}`;
  await using other = await startProgram(['demo', '--socks', '127.0.0.1:0', '--http', '127.0.0.1:0']);
  await demo.stop();
  await assert.rejects(loadPage(other.text('site'), gone), /ERR_PROXY_CONNECTION_FAILED/);
});

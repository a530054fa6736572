import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { openAppBrowser } from '../testing/app-browser.ts';
import { createAppWorld } from '../testing/app-world.ts';
import { needs } from '../testing/tools.ts';

/** A page of somebody else's, from another port of this machine. */
async function createEvilSite(): Promise<{ readonly port: number } & AsyncDisposable> {
  const server: Server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html').end('<!doctype html><title>evil</title><body>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return {
    port: address.port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** All that a page may try to get at another origin, and whether each was of any use. Runs in the page. */
const ATTACKS = `(async (app) => {
  const tried = {};
  const json = { method: 'POST', body: '{}' };
  const say = async (name, attack) => {
    tried[name] = await attack().then((found) => found, () => 'refused');
  };
  const byElement = (tag, attribute, path) => () => new Promise((resolve) => {
    const element = document.createElement(tag);
    element.onload = () => resolve('loaded');
    element.onerror = () => resolve('refused');
    element[attribute] = app + path;
    document.body.append(element);
  });
  await say('read the state', () => fetch(app + '/api/state').then(() => 'read'));
  await say('read the page', () => fetch(app + '/').then(() => 'read'));
  await say('connect', () => fetch(app + '/api/connect', { ...json, headers: { 'content-type': 'application/json' } }).then(() => 'read'));
  await say('guess a code', () => fetch(app + '/api/session', { ...json, body: '{"code":"x"}' }).then(() => 'read'));
  await say('script', byElement('script', 'src', '/'));
  await say('picture', byElement('img', 'src', '/icon.svg'));
  // Without CORS the reply is hidden, but the request is made: it must do nothing.
  await fetch(app + '/api/connect', { ...json, mode: 'no-cors' }).catch(() => {});
  await fetch(app + '/api/settings', { method: 'POST', body: '{"shareOnLan":true}', mode: 'no-cors' }).catch(() => {});
  const frame = document.createElement('iframe');
  frame.src = app + '/';
  document.body.append(frame);
  await new Promise((resolve) => { frame.onload = resolve; });
  tried.frame = await new Promise((resolve) => {
    try { resolve(frame.contentDocument === null ? 'refused' : 'read'); } catch { resolve('refused'); }
  });
  return tried;
})`;

async function attack(page: Page, app: string): Promise<unknown> {
  return await page.evaluate(`${ATTACKS}(${JSON.stringify(app)})`);
}

const NOTHING = {
  'read the state': 'refused',
  'read the page': 'refused',
  connect: 'refused',
  'guess a code': 'refused',
  script: 'refused',
  picture: 'refused',
  frame: 'refused',
};

test(
  'a page of another local server, and one whose name was made to point here, get nothing',
  needs('chromium'),
  async () => {
    await using world = await createAppWorld();
    await using client = await world.startClient('client');
    const app = new URL(client.text('ui')).origin;
    await using evil = await createEvilSite();
    await using browser = await openAppBrowser([], ['evil.example']);
    const own = await browser.newPage();
    await own.goto(client.text('ui'));
    await own.getByRole('heading', { name: 'Welcome to Rozan' }).waitFor();
    await own.getByLabel('Paste a link').fill(world.link);
    await own.getByRole('button', { name: 'Add' }).click();
    await own.getByRole('heading', { name: 'Not connected' }).waitFor();
    const page = await own.context().newPage();
    await page.goto(`http://127.0.0.1:${evil.port}/`);
    assert.deepEqual(await attack(page, app), NOTHING);
    await page.goto(`http://evil.example:${evil.port}/`);
    assert.deepEqual(await attack(page, app), NOTHING);
    // DNS rebinding: to the browser this is the origin of evil.example, at the very address of the app.
    const { port } = new URL(app);
    const answer = await page.goto(`http://evil.example:${port}/`);
    assert.equal(answer?.status(), 403);
    assert.match(await page.content(), /foreign/);
    await own.reload();
    await own.getByRole('heading', { name: 'Not connected' }).waitFor();
    await own.getByRole('link', { name: 'Settings' }).click();
    assert.equal(
      await own.getByRole('switch', { name: 'Share with other devices on this network' }).isChecked(),
      false,
    );
  },
);

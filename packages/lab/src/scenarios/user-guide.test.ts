// docs/guides/user.md and its Persian, word for word: each name in bold is said by the app just so, and each command does what it says.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { openAppBrowser } from '../testing/app-browser.ts';
import { createAppWorld } from '../testing/app-world.ts';
import { createFakeGnome } from '../testing/fake-gnome.ts';
import { runRozan, startProgram } from '../testing/program.ts';
import { needs } from '../testing/tools.ts';

const ROOT = resolve(import.meta.dirname, '../../../..');
const GUIDES = { en: 'user.md', fa: 'user.fa.md' } as const;
/** What stands in bold and is of the guide itself. */
const OWN_WORDS = /^(This is version|این نسخهٔ)/;
/** In place of the ports of the guide, which others may have. */
const FREE = ['--socks', '127.0.0.1:0', '--http', '127.0.0.1:0'];

const guideOf = (name: string) => readFile(join(ROOT, 'docs/guides', name), 'utf8');
const commandsOf = (guide: string) =>
  [...guide.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap(([, block = '']) => block.trim().split('\n'));
const messagesOf = async (language: string): Promise<Record<string, string>> =>
  JSON.parse(await readFile(join(ROOT, 'packages/client/ui/src/messages', `${language}.json`), 'utf8'));

for (const [language, name] of Object.entries(GUIDES)) {
  test(`${name}: every name in bold is one of the app's, and every picture is there`, async () => {
    const guide = await guideOf(name);
    const messages = Object.values(await messagesOf(language));
    const named = [...guide.matchAll(/\*\*([^*]+)\*\*/g)]
      .map(([, word = '']) => word)
      .filter((word) => !OWN_WORDS.test(word));
    assert.ok(named.length > 30);
    assert.deepEqual(
      named.filter((word) => !messages.some((message) => message.includes(word))),
      [],
    );
    const pictures = [...guide.matchAll(/\((pictures\/[^)]+)\)/g)].map(([, path = '']) => path);
    assert.equal(pictures.length, 5);
    for (const path of pictures) assert.ok((await readFile(join(ROOT, 'docs/guides', path))).length > 0, path);
  });
}

test('both guides have the same commands', async () => {
  assert.deepEqual(commandsOf(await guideOf(GUIDES.fa)), commandsOf(await guideOf(GUIDES.en)));
});

interface Names {
  readonly heading: (name: string) => Promise<void>;
  readonly press: (name: string) => Promise<void>;
  readonly go: (name: string) => Promise<void>;
}

function namesOn(page: Page): Names {
  return {
    heading: (name) => page.getByRole('heading', { level: 1, name, exact: true }).waitFor(),
    press: (name) => page.getByRole('button', { name, exact: true }).click(),
    go: (name) => page.getByRole('link', { name, exact: true }).click(),
  };
}

for (const [language, name] of Object.entries(GUIDES)) {
  test(`${name}: from the first command to the last, as it says`, needs('chromium'), async () => {
    await using world = await createAppWorld();
    const account = await createFakeGnome(world.folder);
    const { env } = account;
    const words = await messagesOf(language);
    const say = (key: string) => words[key] ?? assert.fail(key);
    const [start = '', again = '', proxyOn = '', proxyOff = ''] = commandsOf(await guideOf(name));
    const argsOf = (command: string) => command.replace(/^npx --no rozan /, '').split(' ');
    const ui = argsOf(start).map((arg) => (arg === '127.0.0.1:7777' ? '127.0.0.1:0' : arg));
    await using client = await startProgram([...ui, ...FREE], { env });
    await client.waitForEvent(({ event }) => event === 'app.opened');
    await using browser = await openAppBrowser();
    const page = await browser.newPage({ locale: language });
    await page.goto(pathToFileURL(await account.opened()).href);
    const { heading, press, go } = namesOn(page);
    await heading(say('welcome.title'));
    await page.getByLabel(say('add.paste')).fill(world.link);
    await press(say('add.button'));
    await press(say('connect'));
    await heading(say('home.connected.title'));
    await page.getByRole('switch', { name: say('settings.systemProxy') }).click();
    await page.locator('[role=switch][aria-checked=true]').waitFor();
    assert.equal(await account.proxyMode(), "'manual'");
    await press(say('disconnect'));
    await heading(say('home.off.title'));
    await account.waitForProxyMode("''");
    await go(say('nav.entries'));
    await press(
      say('share.one').replace('{name}', say('entries.name').replace('{n, number}', language === 'fa' ? '۱' : '1')),
    );
    await page.getByText(say('share.caution')).waitFor();
    await press(say('close'));
    await go(say('nav.settings'));
    await heading(say('nav.settings'));
    const atLogin = page.getByRole('switch', { name: say('settings.startAtLogin') });
    const entry = join(world.folder, 'config', 'autostart', 'org.rozan.client.desktop');
    await atLogin.click();
    await page.locator('[role=switch][aria-checked=true]').nth(2).waitFor();
    assert.match(await readFile(entry, 'utf8'), /^Exec=.*rozan\.mjs" "client" "--ui"/m);
    await atLogin.click();
    await page.locator('[role=switch][aria-checked=true]').nth(2).waitFor({ state: 'detached' });
    await assert.rejects(readFile(entry, 'utf8'), { code: 'ENOENT' });
    await go(say('nav.safety'));
    await heading(say('safety.title'));
    assert.equal((await runRozan(argsOf(again), { env })).code, 0);
    const second = await browser.newPage({ locale: language });
    await second.goto(pathToFileURL(await account.opened()).href);
    await namesOn(second).heading(say('home.off.title'));
    assert.equal((await client.stop('SIGINT')).code, 0);
    await page.getByText(say('lost')).waitFor();
    assert.equal((await runRozan(argsOf(proxyOn), { env })).code, 0);
    assert.equal(await account.proxyMode(), "'manual'");
    assert.equal((await runRozan(argsOf(proxyOff), { env })).code, 0);
    assert.equal(await account.proxyMode(), "''");
  });
}

import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { openAppBrowser } from '../testing/app-browser.ts';
import { createFakeGnome } from '../testing/fake-gnome.ts';
import { runRozan, startProgram } from '../testing/program.ts';
import { needs } from '../testing/tools.ts';
import { createScratchFolder } from '../world.ts';

const DOORS = ['--socks', '127.0.0.1:0', '--http', '127.0.0.1:0', '--ui', '127.0.0.1:0'];

const inChromium = { ...needs('chromium'), ...(process.platform === 'linux' ? {} : { skip: 'xdg-open is of Linux' }) };

test('rozan app opens the app of a client that runs, by a file that only its user can read', inChromium, async () => {
  await using scratch = await createScratchFolder();
  const data = join(scratch.path, 'client');
  const { env, opened } = await createFakeGnome(scratch.path);
  const early = await runRozan(['app', '--data', data], { env });
  assert.equal(early.code, 1);
  assert.match(early.err, /no client with the app runs on this folder\nStart one: rozan client --ui/);
  await using _client = await startProgram(['client', '--data', data, ...DOORS]);
  const { code, err } = await runRozan(['app', '--data', data], { env });
  assert.equal(code, 0, err);
  const path = await opened();
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  await using browser = await openAppBrowser();
  const page = await browser.newPage();
  await page.goto(pathToFileURL(path).href);
  await page.getByRole('heading', { name: 'Welcome to Rozan' }).waitFor();
  // Who finds the file later has a code that is used up.
  const other = await browser.newPage();
  await other.goto(pathToFileURL(path).href);
  await other.getByRole('heading', { name: 'Open Rozan again' }).waitFor();
  const printed = await runRozan(['app', '--data', data, '--print']);
  assert.match(printed.out, /^http:\/\/127\.0\.0\.1:\d+\/#code=[\w-]{43}\n$/);
});

test(
  'a second start on the same folder opens the app of the first, and does not get in its way',
  inChromium,
  async () => {
    await using scratch = await createScratchFolder();
    const gnome = await createFakeGnome(scratch.path);
    const args = ['client', '--data', join(scratch.path, 'client'), ...DOORS];
    {
      await using _first = await startProgram(args);
      const second = await runRozan([...args, '--open'], { env: gnome.env });
      assert.equal(second.code, 0, second.err);
      assert.match(second.out, /^Rozan runs already; its app has been opened\.$/m);
      await using browser = await openAppBrowser();
      const page = await browser.newPage();
      await page.goto(pathToFileURL(await gnome.opened()).href);
      await page.getByRole('heading', { name: 'Welcome to Rozan' }).waitFor();
      const third = await runRozan(args);
      assert.equal(third.code, 4);
      assert.match(third.err, /a client runs on this folder already\nOpen its app with rozan app/);
    }
    // Once it has ended, or was killed, nothing is in the way of the next.
    const killed = await startProgram(args);
    await killed.stop('SIGKILL');
    await using _next = await startProgram(args);
  },
);

test('rozan client --open opens the app as it starts, and goes on where there is no browser', inChromium, async () => {
  await using scratch = await createScratchFolder();
  const { env, opened } = await createFakeGnome(scratch.path);
  const data = join(scratch.path, 'client');
  {
    await using client = await startProgram(['client', '--open', '--data', data, ...DOORS], { env });
    await using browser = await openAppBrowser();
    const page = await browser.newPage();
    await client.waitForEvent(({ event }) => event === 'app.opened');
    await page.goto(pathToFileURL(await opened()).href);
    await page.getByRole('heading', { name: 'Welcome to Rozan' }).waitFor();
  }
  await writeFile(join(scratch.path, 'bin', 'xdg-open'), '#!/bin/sh\nexit 3\n');
  await using client = await startProgram(['client', '--open', '--data', data, ...DOORS], { env });
  await client.waitForEvent(({ event }) => event === 'app.unopened');
  assert.equal((await fetch(client.text('ui'))).status, 200);
});

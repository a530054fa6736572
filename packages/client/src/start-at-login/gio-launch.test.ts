import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, watch, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { desktopEntry } from './login-file.ts';

const run = promisify(execFile);

/** Why GLib's own reader of desktop entries is not to be had; false where it is. */
const missing = await run('gio', ['help', 'launch']).then(
  () => false as const,
  () => 'not on this machine: gio with launch (libglib2.0-bin)',
);

/** Writes down what it was told, whole. */
const SCRIPT = `
const { renameSync, writeFileSync } = require('node:fs');
const [, , path, ...words] = process.argv;
writeFileSync(path + '.new', JSON.stringify(words));
renameSync(path + '.new', path);
`;

const WORDS = [
  '--data',
  '/srv/a b/روزن',
  '100%',
  '%f %%',
  '$HOME',
  '`id`',
  '"',
  "'",
  '\\',
  'a\\"b\\\\',
  '; & | < >',
  '~',
  '#',
];

test('a desktop starts the program with the words that were written', { skip: missing }, async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'rozan it "is" $5 & 100%-'));
  context.after(() => rm(folder, { recursive: true }));
  const [script, entry, told] = ['say.cjs', 'entry.desktop', 'told'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await writeFile(script, SCRIPT);
  await writeFile(entry, desktopEntry([process.execPath, script, told, ...WORDS]));
  const changes = watch(folder, { signal: AbortSignal.timeout(20_000) });
  const launched = run('gio', ['launch', entry]);
  for await (const { filename } of changes) if (filename === 'told') break;
  await launched;
  assert.deepEqual(JSON.parse(await readFile(told, 'utf8')), WORDS);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { quoteForDesktopEntry, quoteForWindows, quoteForXml } from './quote.ts';

const words = fc.array(
  fc.string({
    unit: fc.constantFrom('a', ' ', '"', "'", '\\', '$', '`', '%', '&', '<', '>', ';', '|', 'ر'),
    maxLength: 12,
  }),
  { minLength: 1, maxLength: 4 },
);

/** As a desktop reads an Exec value: first the string, then the words. */
function readDesktopEntry(value: string): string[] {
  const text = value.replaceAll(/\\\\/g, '\\');
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, word = '']) =>
    word.replaceAll(/\\(.)/g, '$1').replaceAll('%%', '%'),
  );
}

/** As CommandLineToArgvW takes a line apart. */
function readWindows(line: string): string[] {
  const found: string[] = [];
  let word = '';
  let isQuoted = false;
  for (let i = 0; i < line.length; i++) {
    const slashes = /^\\*/.exec(line.slice(i))?.[0].length ?? 0;
    const next = line[i + slashes];
    if (slashes > 0 && next === '"') {
      word += '\\'.repeat(Math.floor(slashes / 2));
      i += slashes;
      if (slashes % 2 === 1) word += '"';
      else isQuoted = !isQuoted;
    } else if (line[i] === '"') isQuoted = !isQuoted;
    else if (line[i] === ' ' && !isQuoted) {
      found.push(word);
      word = '';
    } else word += line[i];
  }
  return [...found, word];
}

test('an Exec value is read as the words that were written', () => {
  fc.assert(
    fc.property(words, (command) => assert.deepEqual(readDesktopEntry(quoteForDesktopEntry(command)), command)),
  );
  assert.equal(quoteForDesktopEntry(['/a b', '100%', '$x']), String.raw`"/a b" "100%%" "\\$x"`);
});

test('a command line of Windows is read as the words that were written', () => {
  fc.assert(fc.property(words, (command) => assert.deepEqual(readWindows(quoteForWindows(command)), command)));
  assert.equal(quoteForWindows(['C:\\Program Files\\', 'a"b']), String.raw`"C:\Program Files\\" "a\"b"`);
});

test('text of an element is read as it was written', () => {
  const read = (text: string) => text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
  fc.assert(fc.property(words, ([word = '']) => read(quoteForXml(word)) === word && !/[<>]/.test(quoteForXml(word))));
});

test('a line break ends no line of somebody else', () => {
  for (const quote of [quoteForDesktopEntry, quoteForWindows]) assert.throws(() => quote(['a\nExec=b']), RangeError);
  assert.throws(() => quoteForXml('a\u0000'), RangeError);
});

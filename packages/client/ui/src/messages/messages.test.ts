import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { IntlMessageFormat } from 'intl-messageformat';
import { LANGUAGES, type Language } from '../lib/language.ts';

type Messages = Readonly<Record<string, string>>;
type Ast = ReturnType<IntlMessageFormat['getAst']>;

const SOURCES = join(import.meta.dirname, '..');
const languages = Object.keys(LANGUAGES) as Language[];
const read = (language: Language): Messages =>
  JSON.parse(readFileSync(join(import.meta.dirname, `${language}.json`), 'utf8'));
const english = read('en');
/** Of the categories that whole numbers have; where a noun does not change with its number, `other` is all there is to say. */
const CATEGORIES: Readonly<Record<Language, readonly string[]>> = {
  en: ['one', 'other'],
  fa: ['other'],
  ar: ['zero', 'one', 'two', 'few', 'many', 'other'],
  zh: ['other'],
  ru: ['one', 'few', 'many', 'other'],
};

/** What is in a message besides text: its values, and the categories of each plural. */
function partsOf(ast: Ast): { readonly values: Set<string>; readonly plurals: string[][] } {
  const values = new Set<string>();
  const plurals: string[][] = [];
  for (const node of ast) {
    if ('value' in node && node.type !== 0) values.add(String(node.value));
    if (!('options' in node)) continue;
    plurals.push(Object.keys(node.options));
    for (const { value } of Object.values(node.options)) {
      const inner = partsOf(value);
      for (const name of inner.values) values.add(name);
      plurals.push(...inner.plurals);
    }
  }
  return { values, plurals };
}

const parse = (language: Language, message: string) => partsOf(new IntlMessageFormat(message, language).getAst());

for (const language of languages) {
  const messages = read(language);

  test(`${language} says all that English says, in the same order`, () => {
    assert.deepEqual(Object.keys(messages), Object.keys(english));
    for (const [key, message] of Object.entries(messages)) assert.equal(message === '', english[key] === '', key);
  });

  test(`${language} puts in the same values`, () => {
    for (const [key, message] of Object.entries(messages)) {
      assert.deepEqual(
        [...parse(language, message).values].sort(),
        [...parse('en', english[key] ?? '').values].sort(),
        key,
      );
    }
  });

  test(`${language} has every form of its plurals`, () => {
    for (const [key, message] of Object.entries(messages)) {
      for (const plural of parse(language, message).plurals) {
        const missing = CATEGORIES[language].filter((category) => !plural.includes(category));
        assert.deepEqual(missing, [], key);
      }
    }
  });

  test(`${language} can be said with any number`, () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.entries(messages)), fc.nat(), ([key, message], count) => {
        const values = Object.fromEntries([...parse(language, message).values].map((name) => [name, count]));
        const said = String(new IntlMessageFormat(message, language).format(values));
        assert.doesNotMatch(said, /[{}#]/, key);
      }),
    );
  });
}

test('no message is there that nobody says', () => {
  const source = globSync('**/*.{svelte,ts}', { cwd: SOURCES })
    .filter((path) => !path.endsWith('.test.ts'))
    .map((path) => readFileSync(join(SOURCES, path), 'utf8'))
    .join('\n');
  const said = new Set([...source.matchAll(/'([a-z][\w.-]*)'/gi)].map(([, key = '']) => key));
  const patterns = [...source.matchAll(/`([\w.-]+\.)\$\{[^`}]*\}([\w.-]*)`/g)].map(
    ([, before = '', after = '']) => [before, after] as const,
  );
  const isSaid = (key: string) =>
    said.has(key) || patterns.some(([before, after]) => key.startsWith(before) && key.endsWith(after));
  assert.deepEqual(
    Object.keys(english).filter((key) => !isSaid(key)),
    [],
  );
});

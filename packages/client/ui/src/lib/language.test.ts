import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  chooseLanguage,
  directionOf,
  formatBytes,
  formatRegion,
  LANGUAGES,
  type Language,
  listCountries,
} from './language.ts';

test('the first language that is ours is chosen, whatever the rest of its tag', () => {
  assert.equal(chooseLanguage([null, undefined, 'fa-IR', 'en']), 'fa');
  assert.equal(chooseLanguage(['zh-Hant-TW']), 'zh');
  assert.equal(chooseLanguage(['de', 'tlh', 'RU']), 'ru');
  assert.equal(chooseLanguage(['de']), 'en');
  assert.equal(chooseLanguage(['__proto__', 'constructor', 'toString']), 'en');
});

test('any tag gives one of our languages', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string(), fc.constant(null)), { maxLength: 5 }), (tags) =>
      Object.hasOwn(LANGUAGES, chooseLanguage(tags)),
    ),
  );
});

test('Persian and Arabic run from right to left', () => {
  const right = (Object.keys(LANGUAGES) as Language[]).filter((language) => directionOf(language) === 'rtl');
  assert.deepEqual(right, ['fa', 'ar']);
});

test('bytes are written as each language writes them', () => {
  assert.equal(formatBytes('en', 0), '0 kB');
  assert.equal(formatBytes('en', 1_440_000), '1.4 MB');
  assert.equal(formatBytes('en', 999_999_999), '1,000 MB');
  assert.equal(formatBytes('en', 52_000, { isRate: true }), '52 kB/s');
  assert.equal(formatBytes('ru', 1_440_000), '1,4 МБ');
  assert.match(formatBytes('fa', 1_440_000), /^۱٫۴\s?مگابایت$/);
});

test('any count of bytes has a unit, and no more than four digits before its point', () => {
  fc.assert(
    fc.property(fc.nat(Number.MAX_SAFE_INTEGER), fc.boolean(), (bytes, isRate) =>
      /^[\d,]{1,5}(\.\d)? [kMGT]B(\/s)?$/.test(formatBytes('en', bytes, { isRate })),
    ),
  );
});

test('countries are listed in the order of the language', () => {
  const names = listCountries('ru').map(([, name]) => name);
  assert.ok(names.indexOf('Австрия') < names.indexOf('Япония'));
  assert.equal(new Set(listCountries('fa').map(([, name]) => name)).size, names.length);
});

test('countries have the names of their language', () => {
  assert.equal(formatRegion('fa', 'DE'), 'آلمان');
  assert.equal(formatRegion('en', 'ZZ'), 'Unknown Region');
});

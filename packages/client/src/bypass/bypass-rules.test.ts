import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseTarget } from '../local-proxy/target-host.ts';
import { type BypassRules, decideRoute, parseNames } from './bypass-rules.ts';
import { domesticNames } from './domestic-names.ts';

const rulesOf = (country: string): BypassRules => ({
  country,
  names: new Set(domesticNames(country)),
  countryOf: (address) => (address.startsWith('5.') || address.startsWith('2a') ? 'IR' : 'DE'),
});

test('names under a domestic one may be direct, and no others', () => {
  const rules = rulesOf('IR');
  for (const host of ['ir', 'example.ir', 'www.example.ir.', 'digikala.com', 'a.digikala.com', 'x.xn--mgba3a4f16a']) {
    assert.equal(decideRoute(host, rules), 'maybe', host);
  }
  for (const host of ['notir', 'example.ir.example.com', 'xdigikala.com', 'example.com', 'ir.', 'localhost'].filter(
    (name) => name !== 'ir.',
  )) {
    assert.equal(decideRoute(host, rules), 'tunnel', host);
  }
  assert.equal(decideRoute('bbc.co.uk', rulesOf('GB')), 'maybe');
});

test('addresses are direct by their country', () => {
  const rules = rulesOf('IR');
  assert.equal(decideRoute('5.160.0.1', rules), 'direct');
  assert.equal(decideRoute('2a00::1', rules), 'direct');
  assert.equal(decideRoute('8.8.8.8', rules), 'tunnel');
  assert.equal(decideRoute('5.160.0.1', { ...rules, countryOf: () => null }), 'tunnel');
});

test('whatever host is asked for, only a name that ends in a domestic one may be looked up here', () => {
  const rules = rulesOf('CN');
  const label = fc.stringMatching(/^[a-z0-9-]{1,8}$/);
  const host = fc.array(fc.oneof(label, fc.constantFrom('cn', 'qq', 'com', 'baidu')), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(host, (labels) => {
      const target = parseTarget(labels.join('.'), 443);
      if (target === undefined) return;
      const ends = [...rules.names].some((name) => target.host === name || target.host.endsWith(`.${name}`));
      assert.equal(decideRoute(target.host, rules) === 'maybe', ends);
    }),
  );
});

test('a list of a person has comments, dots and stars, and names of all scripts', () => {
  const text = '# mine\nexample.com\n .Bank.example # the bank\n*.shop.example\nدیوار.com\n\nnot a name!\n-x-\n';
  assert.deepEqual(parseNames(text), ['example.com', 'bank.example', 'shop.example', 'xn--mgbph4g34a.com', 'not']);
});

test('a list of any kind gives names only', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) =>
      parseNames(text).every((name) => /^[a-z0-9_.-]+$/.test(name) && !name.startsWith('.')),
    ),
  );
});

test('every country has at least its top-level domain', () => {
  fc.assert(fc.property(fc.stringMatching(/^[A-Z]{2}$/), (country) => domesticNames(country).length > 0));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PolicyError, parsePolicyFile, parseSettings } from './policy-file.ts';

const HEAD = `id: C99
name: a test
country: XX
dates: never
source: [{ ref: nobody, certainty: I }]
`;
const RULES = `rules:
  - name: first
    when: { protocol: tls, age: { from: $seconds } }
    do: { drop: both }
hits: [{ traffic: tls }]
`;

function errorOf(text: string): string {
  try {
    parsePolicyFile(text, 'c99.yaml');
  } catch (error) {
    assert.ok(error instanceof PolicyError);
    return error.message;
  }
  return 'no error';
}

test('parameters are put in their places; variants and settings change them', () => {
  const variants = 'variants: [{ id: a, name: one, set: {} }, { id: b, name: other, set: { seconds: 90 } }]\n';
  const text = `${HEAD}parameters: { seconds: { value: 60, ours: a guess } }\n${variants}${RULES}`;
  const [a, b] = parsePolicyFile(text, 'c99.yaml', parseSettings(['C99-b.seconds=30']));
  assert.deepEqual([a?.id, a?.rules[0]?.when.age, a?.ours], ['C99-a', { from: 60 }, ['seconds: a guess']]);
  assert.deepEqual([b?.id, b?.rules[0]?.when.age], ['C99-b', { from: 30 }]);
});

test('what is wrong is told with its line and its field', () => {
  assert.match(errorOf(`${HEAD}${RULES}`), /^c99\.yaml:8: .*no parameter seconds$/);
  const parameters = 'parameters: { seconds: 60 }\n';
  assert.match(errorOf(`${HEAD}${parameters}${RULES.replace('protocol', 'protocoll')}`), /c99\.yaml:9: .*protocoll/);
  assert.match(
    errorOf(`${HEAD}${parameters}${RULES.replace('tls,', 'tlss,')}`),
    /c99\.yaml:9: rules\.0\.when\.protocol/,
  );
  assert.match(errorOf(`${HEAD}${parameters}${RULES.replace('drop: both', '')}`), /says what to do/);
  assert.match(errorOf(`${parameters}${RULES}`), /c99\.yaml:1: id/);
  assert.match(
    errorOf(`${HEAD}${parameters}${RULES.replace('traffic: tls', 'traffic: none')}`),
    /c99\.yaml:11: hits\.0/,
  );
  assert.match(errorOf(`${HEAD}${parameters}${RULES.replace('protocol: tls', 'server: 1.2.3')}`), /not an address/);
  assert.match(errorOf(`${HEAD}${parameters}${RULES.replace('protocol: tls', "first: { regex: '(' }")}`), /expression/);
  assert.match(errorOf(`${HEAD}rules: [`), /^c99\.yaml:\d+: /);
  assert.match(errorOf(`${HEAD}parameters: { seconds: $seconds }\n${RULES}`), /no parameter seconds/);
});

test('a setting has a policy, a parameter and a value', () => {
  assert.deepEqual(parseSettings(['C34.bytes=16384', 'C34.name=a']), { C34: { bytes: 16384, name: 'a' } });
  assert.throws(() => parseSettings(['C34']), PolicyError);
  const text = `${HEAD}parameters: { seconds: 60 }\n${RULES}`;
  assert.throws(() => parsePolicyFile(text, 'c99.yaml', { C99: { minutes: 1 } }), /C99 has no parameter minutes/);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProgramError } from '@rozan/tunnel/program';
import fc from 'fast-check';
import { findLabPolicy } from './lab-policies.ts';
import { parseScenario, readScenario, scenarioNames } from './scenario-file.ts';

test('the scenarios of the lab are read, and name policies that exist', async () => {
  const names = await scenarioNames();
  assert.ok(names.includes('iran-2013') && names.includes('matrix'));
  for (const name of names) {
    const scenario = await readScenario(name);
    const ids = scenario.kind === 'matrix' ? scenario.policies : scenario.phases.flatMap(({ policies }) => policies);
    for (const id of ids.filter((each) => each !== '*')) assert.equal(findLabPolicy(id).id, id.replace(/\..*$/, ''));
  }
});

test('what is no scenario is refused with what is wrong', async () => {
  const cases: [string, RegExp][] = [
    ['{', /no JSON/],
    ['[]', /"kind" is/],
    ['null', /"kind" is/],
    ['{"kind":"matrix","title":"x"}', /"policies" has to be a list/],
    [
      '{"kind":"replay","title":"x","users":-1,"pageEverySeconds":1,"downloaders":0,"ours":[],"phases":[{}]}',
      /"users" has to be a number of at least 0/,
    ],
    [
      '{"kind":"replay","title":"x","users":1,"pageEverySeconds":1,"downloaders":0,"ours":[],"phases":[{}]}',
      /phase 1: "id"/,
    ],
  ];
  for (const [text, message] of cases) assert.throws(() => parseScenario('x', text), message);
  await assert.rejects(readScenario('nothing'), /there is no scenario 'nothing'/);
});

test('any JSON is a scenario or a ProgramError', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      try {
        parseScenario('x', text);
      } catch (error) {
        assert.ok(error instanceof ProgramError);
      }
    }),
  );
});

// Every rule of the structure test and of the linter is shown a piece of code that breaks it, and one that does not.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { ambientInputs, endsProcess, moduleState, tooManyParameters, transportNames } from './code-rules.ts';
import { forbiddenImports, importViolations, manifestViolations } from './import-rules.ts';
import { parseSource, type Source } from './source.ts';
import { badName, lockViolations, machinePaths, tooLong } from './text-rules.ts';

const relayFile = 'packages/relay/src/example.ts';
const relayManifest = { dependencies: ['@rozan/tunnel', '@rozan/protocol', 'commander'], devDependencies: [] };

type CodeCase = { rule: (source: Source) => string[]; bad: string[]; good: string[]; path?: string };

const codeCases: Record<string, CodeCase> = {
  imports: {
    rule: (source) => importViolations(source, relayManifest, ['fast-check']),
    bad: [
      "import { x } from '@rozan/client';",
      "import type { X } from '@rozan/lab';",
      "export { x } from '@rozan/client';",
      "const x = await import('@rozan/client');",
      "import { x } from '../../tunnel/src/x.ts';",
      "import x from 'left-pad';",
      "import { assert } from 'fast-check';",
    ],
    good: [
      "import { x } from '@rozan/tunnel/testing';",
      "import { x } from './x.ts';",
      "import { Command } from 'commander';",
    ],
  },
  'imports of tests': {
    rule: (source) => importViolations(source, { ...relayManifest, devDependencies: ['@rozan/lab'] }, ['fast-check']),
    path: 'packages/relay/src/example.test.ts',
    bad: ["import { x } from '@rozan/client';"],
    good: ["import { x } from '@rozan/lab';", "import { assert } from 'fast-check';"],
  },
  sockets: {
    rule: forbiddenImports,
    bad: ["import { connect } from 'node:net';", "import dgram from 'node:dgram';", "await import('net');"],
    good: ["import { Duplex } from 'node:stream';", "// import { connect } from 'node:net'"],
  },
  'the door to sockets': {
    rule: forbiddenImports,
    path: 'packages/tunnel/src/network.ts',
    bad: [],
    good: ["import { connect } from 'node:net';"],
  },
  'purity of protocol': {
    rule: (source) => [...forbiddenImports(source), ...ambientInputs(source)],
    path: 'packages/protocol/src/example.ts',
    bad: [
      "import { readFileSync } from 'node:fs';",
      'export const f = () => Date.now();',
      'export const f = () => new Date();',
    ],
    good: ["import { createHash } from 'node:crypto';", 'export const f = (ms: number) => new Date(ms);'],
  },
  'time and randomness': {
    rule: ambientInputs,
    bad: [
      'export const f = () => Math.random();',
      'export const f = () => setTimeout(f, 1);',
      "import { randomBytes } from 'node:crypto';\nexport const f = () => randomBytes(4);",
      "import { setTimeout as delay } from 'node:timers/promises';",
      'export const f = () => performance.now();',
    ],
    good: ['export const f = (env: Env) => env.clock.now();', "export const text = 'Date.now()';"],
  },
  'ending the process': {
    rule: endsProcess,
    bad: ['export const f = () => process.exit(1);', 'export const f = () => { process.abort(); };'],
    good: ['export const f = () => { process.exitCode = 1; };', '// process.exit(1)'],
  },
  'state of modules': {
    rule: moduleState,
    bad: ['let count = 0;', 'export let count = 0;', 'start();', 'const x = await load();'],
    good: [
      'export const limit = 3;',
      'export async function f() { await load(); }',
      'export const f = async () => await load();',
    ],
  },
  parameters: {
    rule: tooManyParameters,
    bad: ['function f(a, b, c, d) {}', 'const f = (a, b, c, options, e) => {};', 'class A { f(a, b, c, d) {} }'],
    good: ['function f(a, b, c) {}', 'function f(a, b, c, options = {}) {}', 'function f(a, b, c, { d }) {}'],
  },
  'names of transports': {
    rule: (source) => transportNames(source, ['opaque']),
    bad: [
      "if (name === 'opaque') {}",
      'const opaqueDial = 1;',
      'const x = `opaque=`;',
      "import { x } from './opaque/dial.ts';",
    ],
    good: ["const x = 'semi-opaque';", '// opaque', 'const opaqueness = 1;'],
  },
  'names of transports at home': {
    rule: (source) => transportNames(source, ['opaque']),
    path: 'packages/tunnel/src/transports/opaque/dial.ts',
    bad: [],
    good: ["export const name = 'opaque';"],
  },
};

for (const [name, { rule, bad, good, path = relayFile }] of Object.entries(codeCases)) {
  test(`the rule on ${name} bites`, () => {
    for (const text of bad) assert.notDeepEqual(rule(parseSource(path, text)), [], text);
    for (const text of good) assert.deepEqual(rule(parseSource(path, text)), [], text);
  });
}

test('the rules on files bite', () => {
  assert.notDeepEqual(tooLong('packages/a/src/b.ts', 'x\n'.repeat(401)), []);
  assert.deepEqual(tooLong('packages/a/src/b.ts', 'x\n'.repeat(400)), []);
  for (const path of ['packages/a/src/fooBar.ts', 'packages/a/src/Foo/b.ts', 'packages/a/src/foo_bar.ts']) {
    assert.notDeepEqual(badName(path), [], path);
  }
  assert.deepEqual(badName('packages/a/src/foo-bar.test.ts'), []);
  for (const folder of ['work', 'root', 'home/ali', 'Users/ali', 'tmp/out']) {
    assert.notDeepEqual(machinePaths('a.md', `see /${folder}/x`), [], folder);
  }
  assert.deepEqual(machinePaths('a.md', 'GET /api/work/x, https://example.org/home/ali/ and ./tmp/x'), []);
  assert.notDeepEqual(lockViolations('package-lock.json', '      "resolved": "https://registry.example/x.tgz",'), []);
  assert.deepEqual(lockViolations('package-lock.json', '      "resolved": "packages/client",'), []);
});

test('the rules on package.json files bite', () => {
  assert.notDeepEqual(manifestViolations('relay', { dependencies: ['@rozan/client'], devDependencies: [] }), []);
  assert.notDeepEqual(manifestViolations('extra', { dependencies: [], devDependencies: [] }), []);
  assert.deepEqual(manifestViolations('relay', relayManifest), []);
});

/** What the linter must refuse, by rule; a file name where that is what is wrong. */
const lintCases: Record<string, { text: string; file?: string }> = {
  noBarrelFile: { text: "export * from './a.ts';\n" },
  noDefaultExport: { text: 'export default 1;\n' },
  noEnum: { text: 'export enum A {\n  B,\n}\n' },
  noExcessiveLinesPerFile: { text: 'g();\n'.repeat(401) },
  noExcessiveLinesPerFunction: { text: `export function f() {\n${'  g();\n'.repeat(61)}}\n` },
  noExplicitAny: { text: 'export const f = (x: any): unknown => x;\n' },
  noNonNullAssertion: { text: 'export const f = (x?: number): number => x! + 1;\n' },
  noParameterProperties: { text: 'export class A {\n  constructor(private x: number) {}\n}\n' },
  useFilenamingConvention: { text: 'export const a = 1;\n', file: 'fooBar.ts' },
  useImportExtensions: { text: "import { x } from './barrel';\nexport const y = x;\n" },
  useMaxParams: { text: 'export function f(a, b, c, d, e) {}\n' },
  useNamingConvention: { text: 'export function f_g() {}\n' },
};

type LintReport = { diagnostics: { category: string; location: { path: string | { file: string } } }[] };

test('the rules of the linter bite', () => {
  const root = resolve(import.meta.dirname, '..');
  const scratch = mkdtempSync(join(tmpdir(), 'rozan-lint-'));
  try {
    const folder = join(scratch, 'packages', 'relay', 'src');
    mkdirSync(folder, { recursive: true });
    for (const name of ['biome.json', '.gitignore', 'packages/relay/package.json']) {
      cpSync(join(root, name), join(scratch, name));
    }
    writeFileSync(join(folder, 'barrel.ts'), 'export const x = 1;\n');
    for (const [rule, { text, file }] of Object.entries(lintCases)) {
      writeFileSync(join(folder, file ?? `${rule.toLowerCase()}.ts`), text);
    }
    const biome = join(root, 'node_modules/@biomejs/biome/bin/biome');
    const args = [biome, 'lint', '--reporter=json', '--max-diagnostics=none'];
    const { stdout } = spawnSync(process.execPath, args, { cwd: scratch, encoding: 'utf8' });
    const { diagnostics }: LintReport = JSON.parse(stdout);
    const found = diagnostics.map(({ category, location: { path } }) => {
      return `${category.split('/').at(-1)} ${(typeof path === 'string' ? path : path.file).split(/[\\/]/).at(-1)}`;
    });
    for (const [rule, { file }] of Object.entries(lintCases)) {
      const expected = `${rule} ${file ?? `${rule.toLowerCase()}.ts`}`;
      assert.ok(found.includes(expected), `no '${expected}' among ${found.join(', ')}`);
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
});

import assert from 'node:assert/strict';
import { type ExecFileSyncOptionsWithStringEncoding, execFileSync } from 'node:child_process';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { ambientInputs, endsProcess, moduleState, tooManyParameters, transportNames } from './code-rules.ts';
import { forbiddenImports, importViolations, type Manifest, manifestViolations } from './import-rules.ts';
import { parseSource } from './source.ts';
import { badName, lockViolations, machinePaths, tooLong } from './text-rules.ts';

const root = resolve(import.meta.dirname, '..');
const files = repositoryFiles();
const sources = files
  // The app runs in browsers, where other rules hold: it has types, lint and an import rule of its own.
  .filter((path) => /^(?:packages|test)\/.*\.ts$/.test(path) && !path.startsWith('packages/client/ui/'))
  .map((path) => parseSource(path, read(path)));
const packages = readdirSync(join(root, 'packages')).filter((name) =>
  existsSync(join(root, 'packages', name, 'package.json')),
);
const manifests = new Map(packages.map((name) => [name, readManifest(`packages/${name}/package.json`)]));
const rootDevDependencies = readManifest('package.json').devDependencies;
/** Transports whose names are also words of others: protocols, and a specification of Tor's. */
const COMMON_WORDS: ReadonlySet<string> = new Set(['http', 'websocket', 'pluggable']);
const transports = readdirSync(join(root, 'packages/tunnel/src/transports'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .filter((name) => !COMMON_WORDS.has(name));

function holds(name: string, violations: () => string[]): void {
  test(name, () => assert.deepEqual(violations(), []));
}

holds('packages import along the arrows, and what their package.json names', () =>
  sources.flatMap((source) => {
    const manifest = manifests.get(source.package ?? '');
    return manifest === undefined ? [] : importViolations(source, manifest, rootDevDependencies);
  }),
);
holds('package.json files depend along the arrows', () =>
  [...manifests].flatMap(([name, manifest]) => manifestViolations(name, manifest)),
);
holds('sockets have one door, and protocol imports cryptography only', () => sources.flatMap(forbiddenImports));
holds('packages do not end the process', () => sources.flatMap(endsProcess));
holds('modules keep no state and do no work when imported', () => sources.flatMap(moduleState));
holds('functions have three positional parameters at most', () => sources.flatMap(tooManyParameters));
holds('time and randomness are handed in', () => sources.flatMap(ambientInputs));
holds('transports are named at home only', () => sources.flatMap((source) => transportNames(source, transports)));
holds('source files are short', () => files.flatMap((path) => tooLong(path, read(path))));
holds('names are in kebab-case', () => files.flatMap(badName));
holds('no file names a path of one machine', () => files.flatMap((path) => machinePaths(path, read(path))));
holds('the lock file names no registry', () => lockViolations('package-lock.json', read('package-lock.json')));

/** What git tracks or would track; without git, what is in the folders that hold our files. */
function repositoryFiles(): string[] {
  const isText = (path: string): boolean =>
    !/(?:\.(?:png|woff2|bin)|(?:^|\/)corpus\/.*)$/.test(path) && existsSync(join(root, path));
  try {
    const options: ExecFileSyncOptionsWithStringEncoding = {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    };
    const output = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], options);
    return output.split('\0').filter((path) => path !== '' && isText(path));
  } catch {
    const places = ['*', '{bin,bench,docs,examples,packages,packaging,test}/**/*.*'];
    const isOurs = (path: string): boolean => !path.includes('node_modules') && /\.\w+$/.test(path);
    return globSync(places, { cwd: root })
      .map((path) => path.replaceAll('\\', '/'))
      .filter((path) => isOurs(path) && isText(path));
  }
}

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

function readManifest(path: string): Manifest {
  const manifest: { dependencies?: object; optionalDependencies?: object; devDependencies?: object } = JSON.parse(
    read(path),
  );
  return {
    dependencies: Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }),
    devDependencies: Object.keys(manifest.devDependencies ?? {}),
  };
}

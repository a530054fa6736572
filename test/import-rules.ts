import { posix } from 'node:path';
import type { Source } from './source.ts';

/** What a workspace's package.json names. */
export type Manifest = {
  readonly dependencies: readonly string[];
  readonly devDependencies: readonly string[];
};

/** Which of our packages a package may import: the arrows of the architecture. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  tunnel: ['protocol'],
  relay: ['protocol', 'tunnel'],
  client: ['protocol', 'publication', 'tunnel'],
  pt: ['client', 'protocol', 'relay', 'tunnel'],
  publication: ['protocol', 'tunnel'],
  control: ['protocol', 'publication', 'tunnel'],
  lab: ['client', 'control', 'protocol', 'publication', 'pt', 'relay', 'tunnel'],
};

const scope = '@rozan/';
const socketModules = ['node:net', 'node:dgram', 'net', 'dgram'];
const socketDoor = 'packages/tunnel/src/network.ts';

/** Imports that go against an arrow, out of the package, or to something its package.json does not name. */
export function importViolations(source: Source, manifest: Manifest, rootDevDependencies: readonly string[]): string[] {
  if (source.package === undefined) return [];
  const found: string[] = [];
  const declared = [...manifest.dependencies];
  if (source.isTest) declared.push(...manifest.devDependencies, ...rootDevDependencies);
  for (const specifier of source.imports) {
    if (specifier.startsWith('.')) {
      if (!staysInside(source, specifier))
        found.push(`${source.path}: '${specifier}' leaves the package; import it by name`);
    } else if (!specifier.startsWith('node:')) {
      const name = packageName(specifier);
      if (!isAllowed(source, name)) found.push(`${source.path}: ${source.package} must not import ${name}`);
      if (!declared.includes(name))
        found.push(`${source.path}: ${name} is not in the dependencies of its package.json`);
    }
  }
  return found;
}

/** Dependencies among our packages that go against an arrow. */
export function manifestViolations(name: string, manifest: Manifest): string[] {
  if (arrows[name] === undefined) return [`packages/${name}: a new package needs its arrows in test/import-rules.ts`];
  return manifest.dependencies
    .filter((dependency) => dependency.startsWith(scope) && !arrows[name]?.includes(dependency.slice(scope.length)))
    .map((dependency) => `packages/${name}/package.json: ${name} must not depend on ${dependency}`);
}

/** Sockets anywhere but behind their one door, and anything but cryptography in protocol. */
export function forbiddenImports(source: Source): string[] {
  if (source.package === undefined || source.isTest) return [];
  const found: string[] = [];
  for (const specifier of source.imports) {
    if (socketModules.includes(specifier) && source.path !== socketDoor) {
      found.push(`${source.path}: only ${socketDoor} may import '${specifier}'`);
    }
    if (source.package === 'protocol' && !isForProtocol(specifier)) {
      found.push(`${source.path}: protocol may import node:crypto and @noble only, not '${specifier}'`);
    }
  }
  return found;
}

function isForProtocol(specifier: string): boolean {
  return specifier.startsWith('.') || specifier === 'node:crypto' || specifier.startsWith('@noble/');
}

function staysInside(source: Source, specifier: string): boolean {
  const path = posix.join(posix.dirname(source.path), specifier);
  // The lab's tests use the benchmarks' cutter and checked transfers; bench/ itself needs no packages.
  if (source.package === 'lab' && source.isTest && path.startsWith('bench/')) return true;
  return path.startsWith(`packages/${source.package}/`);
}

function packageName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function isAllowed(source: Source, name: string): boolean {
  if (!name.startsWith(scope) || source.package === undefined) return true;
  const target = name.slice(scope.length);
  if (target === 'lab' && source.isTest) return true;
  return target === source.package || (arrows[source.package] ?? []).includes(target);
}

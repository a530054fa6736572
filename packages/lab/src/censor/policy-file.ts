// From the text of a rule file to policies: one for the file itself, or one for each of its variants.
import { type Document, isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { openings } from './openings.ts';
import { bodySchema, fileSchema, type Marked, type Rule, type Setting, type Traffic } from './schema.ts';

/** A censor's documented behaviour, ready to be compiled. */
export interface Policy {
  /** Of the file, and of the variant behind a hyphen. */
  readonly id: string;
  readonly name: string;
  readonly country: readonly string[];
  readonly dates: string;
  /** Where it is described; P: read, A: abstract, S: second hand, M: measured, K: recalled, I: inferred. */
  readonly source: readonly { readonly ref: string; readonly certainty: string }[];
  /** What no source says: our choices and our numbers, each with its reason where there is one. */
  readonly ours: readonly string[];
  readonly parameters: Readonly<Record<string, Setting>>;
  /** `packets`: it needs a place where packets can be lost one by one; a middlebox over byte streams holds them back instead. */
  readonly needs: 'bytes' | 'packets';
  /** Why nothing can pass; unset where something should. */
  readonly hopeless?: string | undefined;
  readonly rules: readonly Rule[];
  /** Traffic that it has to find. */
  readonly hits: readonly Traffic[];
  /** Traffic that it has to let pass. */
  readonly spares: readonly Traffic[];
}

/** A rule file, or a setting, that is wrong. The message names the file, the line and the field. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError';
}

/** Values for parameters, by the id of a policy or of its file: `{ C34: { packets: 20 } }`. */
export type Settings = Readonly<Record<string, Readonly<Record<string, Setting>>>>;

type File = z.output<typeof fileSchema>;
type Path = readonly PropertyKey[];

/** Reads a rule file. Throws `PolicyError`. */
export function parsePolicyFile(text: string, place: string, settings: Settings = {}): Policy[] {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, version: '1.2', uniqueKeys: true });
  const [syntax] = document.errors;
  if (syntax !== undefined) throw new PolicyError(`${place}:${syntax.linePos?.[0].line ?? 1}: ${syntax.message}`);
  const lineOf = (path: Path): number => lineAt(document, lines, path);
  const plain: unknown = document.toJS({ maxAliasCount: 100 });
  const file = check(fileSchema, plain, { place, lineOf });
  const variants = file.variants.length > 0 ? file.variants : [{ id: '', name: '', set: {} }];
  return variants.map((variant, index) => {
    const id = variant.id === '' ? file.id : `${file.id}-${variant.id}`;
    const parameters = parametersOf(file, { ...variant.set, ...settings[file.id], ...settings[id] }, (name) => {
      const line = lineOf(name in variant.set ? ['variants', index, 'set', name] : ['parameters']);
      return new PolicyError(`${place}:${line}: ${id} has no parameter ${name}`);
    });
    const { rules, hits, spares } = file;
    const body = fill({ rules, hits, spares }, parameters, (name, path) => {
      return new PolicyError(`${place}:${lineOf(path)}: ${path.join('.')}: no parameter ${name}`);
    });
    const checked = check(bodySchema, body, { place, lineOf });
    for (const [key, list] of Object.entries({ hits: checked.hits, spares: checked.spares })) {
      const strange = list.findIndex(({ traffic }) => !openings.has(traffic));
      if (strange === -1) continue;
      const path = [key, strange];
      const known = [...openings.keys()].join(', ');
      throw new PolicyError(`${place}:${lineOf(path)}: ${path.join('.')}: no such traffic; there are ${known}`);
    }
    const { name, country, dates, source, needs, hopeless } = file;
    const ours = [...file.ours, ...oursOf(file)];
    const fullName = variant.name === '' ? name : `${name}: ${variant.name}`;
    return { id, name: fullName, country, dates, source, ours, parameters, needs, hopeless, ...checked };
  });
}

/** Reads `C34.packets=20` and its like into what `parsePolicyFile` takes. Throws `PolicyError`. */
export function parseSettings(texts: readonly string[]): Settings {
  const settings: Record<string, Record<string, Setting>> = {};
  for (const text of texts) {
    const match = /^([A-Za-z0-9-]+)\.([A-Za-z]\w*)=(.+)$/.exec(text);
    const [, id = '', name = '', value = ''] = match ?? [];
    if (match === null) throw new PolicyError(`not of the form POLICY.PARAMETER=VALUE: ${text}`);
    const number = Number(value);
    settings[id] = { ...settings[id], [name]: Number.isNaN(number) ? value : number };
  }
  return settings;
}

/** Parameters may stand in parameters, to this depth. */
const MAX_DEPTH = 40;

function isMarked(parameter: Marked | Setting): parameter is Marked {
  return typeof parameter === 'object' && parameter !== null && 'value' in parameter && 'ours' in parameter;
}

function oursOf(file: File): string[] {
  return Object.entries(file.parameters).flatMap(([name, parameter]) => {
    if (!isMarked(parameter)) return [];
    return [parameter.ours === true ? `${name}` : `${name}: ${parameter.ours}`];
  });
}

function parametersOf(
  file: File,
  set: Readonly<Record<string, Setting>>,
  unknown: (name: string) => PolicyError,
): Record<string, Setting> {
  const parameters: Record<string, Setting> = {};
  for (const [name, parameter] of Object.entries(file.parameters)) {
    parameters[name] = isMarked(parameter) ? parameter.value : parameter;
  }
  for (const [name, value] of Object.entries(set)) {
    if (!Object.hasOwn(parameters, name)) throw unknown(name);
    parameters[name] = value;
  }
  return parameters;
}

/** Puts parameters in the places that name them: a text that is `$name` and nothing else. */
function fill(
  tree: unknown,
  parameters: Readonly<Record<string, Setting>>,
  missing: (name: string, path: Path) => PolicyError,
  { path = [] }: { readonly path?: Path } = {},
): unknown {
  if (typeof tree === 'string' && /^\$\w+$/.test(tree)) {
    const name = tree.slice(1);
    const value = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    if (value === undefined || path.length > MAX_DEPTH) throw missing(name, path);
    return fill(value, parameters, missing, { path: [...path, name] });
  }
  const go = (child: unknown, key: PropertyKey) => fill(child, parameters, missing, { path: [...path, key] });
  if (Array.isArray(tree)) return tree.map(go);
  if (typeof tree !== 'object' || tree === null) return tree;
  return Object.fromEntries(Object.entries(tree).map(([key, child]) => [key, go(child, key)]));
}

function check<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  { place, lineOf }: { readonly place: string; readonly lineOf: (path: Path) => number },
): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const messages = result.error.issues.map(({ path, message }) => {
    return `${place}:${lineOf(path)}: ${path.length === 0 ? 'the file' : path.join('.')}: ${message}`;
  });
  throw new PolicyError(messages.join('\n'));
}

/** The line of the nearest thing that is in the text. */
function lineAt(document: Document, lines: LineCounter, path: Path): number {
  for (let length = path.length; length >= 0; length--) {
    const node: unknown = document.getIn(path.slice(0, length), true);
    const range = isMap(node) || isScalar(node) ? node.range : rangeOf(node);
    const [start] = range ?? [];
    if (start !== undefined) return lines.linePos(start).line;
  }
  return 1;
}

function rangeOf(node: unknown): readonly number[] | null {
  if (typeof node !== 'object' || node === null || !('range' in node) || !Array.isArray(node.range)) return null;
  return node.range;
}

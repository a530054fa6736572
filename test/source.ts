import { parseSync } from 'oxc-parser';

/** A node of a syntax tree, as far as the rules look at it: every node has a type and a place. */
export type Node = { readonly type: string; readonly start: number; readonly [key: string]: unknown };

/** One source file, read once for all rules. */
export type Source = {
  /** From the repository's root, with forward slashes. */
  readonly path: string;
  /** The workspace it belongs to (`relay`), or undefined outside packages/. */
  readonly package: string | undefined;
  /** Whether it is a test or serves tests only. */
  readonly isTest: boolean;
  readonly program: Node;
  /** What it imports or re-exports, in order. */
  readonly imports: readonly string[];
  /** `path:line` of an offset in the text. */
  readonly at: (offset: number) => string;
};

/**
 * Parses a file.
 *
 * @throws {Error} if it is not TypeScript
 */
export function parseSource(path: string, text: string): Source {
  const { program, errors } = parseSync(path, text);
  const [error] = errors;
  if (error !== undefined) throw new Error(`${path}: ${error.message}`);
  const tree = program as unknown as Node;
  return {
    path,
    package: /^packages\/([^/]+)\//.exec(path)?.[1],
    isTest: /\.test\.(?:ts|mjs)$/.test(path) || path.includes('/testing/') || path.startsWith('test/'),
    program: tree,
    imports: [...walk(tree)].flatMap((node) => importedBy(node)),
    at: (offset) => `${path}:${text.slice(0, offset).split('\n').length}`,
  };
}

/** Every node below and including this one, in the order of the text. */
export function* walk(node: Node): Generator<Node> {
  yield node;
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isNode(child)) yield* walk(child);
    }
  }
}

/** Whether a value found in a tree is a node of it. */
export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

/** The name of an identifier, or undefined for every other node. */
export function nameOf(value: unknown): string | undefined {
  return isNode(value) && value.type === 'Identifier' && typeof value.name === 'string' ? value.name : undefined;
}

/** `process.exit` for the expression of that form, or undefined. */
export function memberName(node: Node): string | undefined {
  if (node.type !== 'MemberExpression' || node.computed === true) return undefined;
  const object = nameOf(node.object);
  const property = nameOf(node.property);
  return object === undefined || property === undefined ? undefined : `${object}.${property}`;
}

function importedBy(node: Node): string[] {
  const hasSource = /^(?:Import(?:Declaration|Expression)|Export(?:Named|All)Declaration)$/.test(node.type);
  const source = hasSource ? node.source : undefined;
  return isNode(source) && typeof source.value === 'string' ? [source.value] : [];
}

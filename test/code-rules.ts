import { isNode, memberName, type Node, nameOf, type Source, walk } from './source.ts';

const maxPositional = 3;
const endings = ['process.exit', 'process.abort', 'process.reallyExit'];
/** What the environment hands in instead: globals that tell the time, wait, or draw. */
const clockGlobals = ['setTimeout', 'setInterval', 'setImmediate', 'Date', 'performance'];
const clockMembers = ['Math.random'];
const drawingFunctions = ['randomBytes', 'randomInt', 'randomUUID', 'randomFill', 'randomFillSync'];
const timedModules = ['node:timers', 'node:timers/promises', 'node:perf_hooks'];
const pure = ['protocol', 'tunnel', 'relay', 'client', 'control'];
/** Where the real clock and the real randomness come from, and where a process that was told to end counts down. */
const environmentDoors = ['packages/tunnel/src/real-env.ts', 'packages/tunnel/src/program/run-program.ts'];

/** `process.exit` and its like: a program says its exit code by returning it. */
export function endsProcess(source: Source): string[] {
  if (source.package === undefined || source.isTest) return [];
  return [...walk(source.program)]
    .filter((node) => endings.includes(memberName(node) ?? ''))
    .map((node) => `${source.at(node.start)}: ${memberName(node)} in a package; return an exit code`);
}

/** State that modules keep, and work that they do when they are imported. */
export function moduleState(source: Source): string[] {
  if (source.package === undefined || source.isTest) return [];
  const body = source.program.body;
  if (!Array.isArray(body)) return [];
  const found: string[] = [];
  for (const statement of body.filter(isNode)) {
    const declared = isNode(statement.declaration) ? statement.declaration : statement;
    if (declared.type === 'VariableDeclaration' && declared.kind !== 'const') {
      found.push(`${source.at(statement.start)}: a module keeps no state that changes`);
    }
    if (statement.type === 'ExpressionStatement' || hasAwait(declared)) {
      found.push(`${source.at(statement.start)}: a module does no work when it is imported`);
    }
  }
  return found;
}

/** More than three positional parameters: the fourth has to be an options object. */
export function tooManyParameters(source: Source): string[] {
  const found: string[] = [];
  for (const node of walk(source.program)) {
    const parameters = node.type.includes('Function') ? node.params : undefined;
    if (!Array.isArray(parameters) || parameters.length <= maxPositional) continue;
    const last: unknown = parameters[maxPositional];
    if (parameters.length > maxPositional + 1 || !isOptions(last)) {
      found.push(
        `${source.at(node.start)}: more than ${maxPositional} parameters; put the rest into one options object`,
      );
    }
  }
  return found;
}

/** Time and randomness that were not handed in. */
export function ambientInputs(source: Source): string[] {
  if (!pure.includes(source.package ?? '') || source.isTest || environmentDoors.includes(source.path)) return [];
  const found: string[] = source.imports
    .filter((specifier) => timedModules.includes(specifier))
    .map((specifier) => `${source.path}: '${specifier}' is the environment's; take a clock as an argument`);
  for (const node of walk(source.program)) {
    const name = ambientName(node);
    if (name !== undefined)
      found.push(`${source.at(node.start)}: ${name} is the environment's; take it as an argument`);
  }
  return found;
}

function ambientName(node: Node): string | undefined {
  const member = memberName(node);
  if (member !== undefined && clockMembers.includes(member)) return member;
  // `Date.UTC` and `Date.parse` turn one form of a time into another, and look at no clock.
  if (member === 'Date.UTC' || member === 'Date.parse') return undefined;
  if (member?.startsWith('Date.') || member?.startsWith('performance.')) return member;
  if (node.type !== 'CallExpression' && node.type !== 'NewExpression') return undefined;
  const callee = nameOf(node.callee);
  if (callee === undefined) return undefined;
  const draws = drawingFunctions.includes(callee);
  // `new Date(ms)` turns a number into text; only without an argument does it look at the clock.
  const hasArguments = Array.isArray(node.arguments) && node.arguments.length > 0;
  const looks = clockGlobals.includes(callee) && !(callee === 'Date' && hasArguments);
  return draws || looks ? callee : undefined;
}

/** A transport's name anywhere but in its own folder, the list, and tests. */
export function transportNames(source: Source, names: readonly string[]): string[] {
  if (source.package === undefined || source.isTest) return [];
  const found: string[] = [];
  for (const name of names) {
    const isHome = source.path.startsWith(`packages/tunnel/src/transports/${name}/`);
    if (isHome || source.path === 'packages/tunnel/src/transports.ts') continue;
    for (const node of walk(source.program)) {
      if (mentions(node, name)) found.push(`${source.at(node.start)}: names the transport '${name}'; ask its traits`);
    }
  }
  return found;
}

function mentions(node: Node, name: string): boolean {
  if (node.type === 'Identifier') {
    const words = (nameOf(node) ?? '').split(/(?=[A-Z])|_/).map((word) => word.toLowerCase());
    return words.includes(name);
  }
  const text = node.type === 'TemplateElement' ? rawText(node) : node.value;
  const isText = node.type === 'Literal' || node.type === 'TemplateElement';
  return isText && typeof text === 'string' && new RegExp(`(?:^|[^a-z-])${name}(?:$|[^a-z-])`).test(text);
}

function rawText(node: Node): unknown {
  const value = node.value;
  return typeof value === 'object' && value !== null && 'raw' in value ? value.raw : undefined;
}

function isOptions(parameter: unknown): boolean {
  if (!isNode(parameter)) return false;
  const target = parameter.type === 'AssignmentPattern' ? parameter.left : parameter;
  return isNode(target) && (target.type === 'ObjectPattern' || /[oO]ptions$/.test(nameOf(target) ?? ''));
}

function hasAwait(node: Node): boolean {
  if (node.type.includes('Function') || node.type.startsWith('Class')) return false;
  if (node.type === 'AwaitExpression') return true;
  return Object.values(node)
    .flat()
    .some((child) => isNode(child) && hasAwait(child));
}

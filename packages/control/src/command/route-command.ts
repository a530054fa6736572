import { Command } from 'commander';
import { z } from 'zod';
import type { Route } from '../http/route.ts';
import type { ApiRequest } from './api-client.ts';

/** A field of a request, as the command line takes it. */
interface Field {
  readonly name: string;
  readonly place: 'params' | 'query' | 'body';
  readonly kind: 'text' | 'number' | 'boolean' | 'list';
  readonly isRequired: boolean;
}

const propertySchema = z.object({ type: z.string().optional() });

function kindOf(property: unknown): Field['kind'] {
  switch (propertySchema.safeParse(property).data?.type) {
    case 'number':
    case 'integer':
      return 'number';
    case 'boolean':
      return 'boolean';
    case 'array':
      return 'list';
    default:
      return 'text';
  }
}

function fieldsOf(schema: z.ZodObject | null, place: Field['place']): Field[] {
  if (schema === null) return [];
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return Object.entries(properties).map(([name, property]) => ({
    name,
    place,
    kind: kindOf(property),
    isRequired: required.includes(name),
  }));
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function camel(name: string): string {
  return name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** What stands on the command line without a name before it: where to, and texts that have to be there. */
function isPositional({ place, kind, isRequired }: Field): boolean {
  return place === 'params' || (kind === 'text' && isRequired);
}

function parsedValue(field: Field, given: string | readonly string[]): unknown {
  if (field.kind === 'list') return typeof given === 'string' ? [given] : given;
  if (field.kind === 'number') return Number(given);
  if (field.kind === 'boolean') return given === 'true' || (given === 'false' ? false : given);
  return given;
}

/** The request of a route, with these values for its fields. What is not of its form the control plane refuses. */
export function requestOf(route: Route, values: ReadonlyMap<string, string | readonly string[]>): ApiRequest {
  const query = new URLSearchParams();
  const body: { [name: string]: unknown } = {};
  let { path } = route;
  for (const field of allFields(route)) {
    const given = values.get(field.name);
    if (given === undefined) continue;
    if (field.place === 'params') path = path.replace(`:${field.name}`, encodeURIComponent(String(given)));
    else if (field.place === 'query') query.set(field.name, String(given));
    else body[field.name] = parsedValue(field, given);
  }
  const search = query.size === 0 ? '' : `?${query}`;
  return { method: route.method, path: `${path}${search}`, ...(route.body === null ? {} : { body }) };
}

function allFields(route: Route): Field[] {
  return [...fieldsOf(route.params, 'params'), ...fieldsOf(route.query, 'query'), ...fieldsOf(route.body, 'body')];
}

/** Makes the command of a route. `onRequest` gets what was asked for, and the options of the command. */
export function commandOf(
  route: Route,
  word: string,
  onRequest: (request: ApiRequest, options: { readonly data?: string; readonly json?: boolean }) => void,
): Command {
  const command = new Command(word).description(route.summary).exitOverride();
  const fields = allFields(route);
  const positional = fields.filter(isPositional);
  for (const { name } of positional) command.argument(`<${kebab(name)}>`);
  for (const { name, kind, isRequired } of fields.filter((field) => !isPositional(field))) {
    const flag = `--${kebab(name)} <${kind === 'boolean' ? 'true|false' : kind}${kind === 'list' ? '...' : ''}>`;
    if (isRequired) command.requiredOption(flag);
    else command.option(flag);
  }
  command.option('--data <dir>', "the control plane's folder").option('--json', 'as JSON');
  command.action((...given: unknown[]) => {
    const options: { data?: string; json?: boolean; [name: string]: unknown } = command.opts();
    const values = new Map<string, string | readonly string[]>();
    positional.forEach(({ name }, index) => {
      values.set(name, String(given[index]));
    });
    for (const field of fields.filter((candidate) => !isPositional(candidate))) {
      const value = options[camel(kebab(field.name))];
      if (typeof value === 'string' || Array.isArray(value)) values.set(field.name, value);
    }
    onRequest(requestOf(route, values), options);
  });
  return command;
}

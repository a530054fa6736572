import { z } from 'zod';
import type { Route } from './route.ts';

type Json = { readonly [name: string]: unknown };

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, $defs: _defs, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return withoutRefs(rest);
}

/** The one schema that refers to itself is that of any JSON; inside of a document its reference would lead nowhere. */
function withoutRefs(schema: Json): Json {
  const isRef = (value: unknown) => typeof value === 'object' && value !== null && '$ref' in value;
  return JSON.parse(JSON.stringify(schema), (_key, value) => (isRef(value) ? {} : value));
}

function parameters(schema: z.ZodObject, place: 'path' | 'query'): Json[] {
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return Object.entries(properties).map(([name, value]) => ({
    name,
    in: place,
    required: required.includes(name),
    schema: value,
  }));
}

const PROBLEM = {
  type: 'object',
  properties: { error: { type: 'string' }, message: { type: 'string' } },
  required: ['error', 'message'],
} as const;

function operation(route: Route): Json {
  const body = route.body === null ? null : jsonSchema(route.body, 'input');
  const isOpen = route.access.includes('anyone');
  return {
    operationId: `${route.method.toLowerCase()} ${route.path}`.replaceAll(/[^A-Za-z0-9]+/g, '-'),
    summary: route.summary,
    description: `For: ${route.access.join(', ')}.`,
    parameters: [...parameters(route.params, 'path'), ...parameters(route.query, 'query')],
    ...(body === null ? {} : { requestBody: { required: true, content: { 'application/json': { schema: body } } } }),
    responses: {
      200: { description: 'Done.', content: { 'application/json': { schema: jsonSchema(route.reply, 'output') } } },
      default: { description: 'Refused.', content: { 'application/json': { schema: PROBLEM } } },
    },
    security: isOpen ? [] : [{ bearer: [] }, { session: [], csrf: [] }],
  };
}

/** The OpenAPI 3.1 document of some routes. */
export function openApiDocument(routes: readonly Route[], version: string): Json {
  const paths: { [path: string]: { [method: string]: Json } } = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:([A-Za-z]+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Rozan control plane', version, description: 'What the operators of a network do with it.' },
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        session: { type: 'apiKey', in: 'cookie', name: 'rozan-session' },
        csrf: { type: 'apiKey', in: 'header', name: 'x-rozan-csrf' },
      },
    },
  };
}

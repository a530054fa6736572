import { z } from 'zod';
import type { ApiRoute } from './api-routes.ts';
import { errorSchema, eventSchema } from './api-types.ts';

type Json = { readonly [name: string]: unknown };

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}

function parameters(schema: z.ZodObject): Json[] {
  const { properties = {} } = z.toJSONSchema(schema, { io: 'input' });
  return Object.entries(properties).map(([name, value]) => ({ name, in: 'path', required: true, schema: value }));
}

const REFUSED = {
  description: 'Refused.',
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
} as const;

function replies(content: Json): Json {
  return { 200: { description: 'Done.', content }, default: REFUSED };
}

function operation({ method, path, summary, isOpen, params, body, reply }: ApiRoute): Json {
  const content = { 'application/json': { schema: jsonSchema(reply, 'output') } };
  const request = body === null ? null : { 'application/json': { schema: jsonSchema(body, 'input') } };
  return {
    operationId: `${method.toLowerCase()} ${path}`.replaceAll(/[^A-Za-z0-9]+/g, '-'),
    summary,
    parameters: parameters(params),
    ...(request === null ? {} : { requestBody: { required: true, content: request } }),
    responses: replies(content),
    security: isOpen ? [] : [{ bearer: [] }],
  };
}

/** The OpenAPI 3.1 document of the local API. */
export function openApiDocument(routes: readonly ApiRoute[], version: string): Json {
  const paths: { [path: string]: { [method: string]: Json } } = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:([A-Za-z]+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  const event = jsonSchema(eventSchema, 'output');
  const events = {
    operationId: 'get-api-events',
    summary: 'states and changes as they come, one JSON object a line',
    parameters: [],
    responses: replies({ 'application/x-ndjson': { schema: event } }),
    security: [{ bearer: [] }],
  };
  return {
    openapi: '3.1.0',
    info: { title: 'Rozan client', version, description: 'The local API of a client, on loopback.' },
    paths: { ...paths, '/api/events': { get: events } },
    components: {
      schemas: { Error: jsonSchema(errorSchema, 'output') },
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
    },
  };
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import fc from 'fast-check';
import { z } from 'zod';
import { ROUTES } from '../routes/routes.ts';
import { apiTests } from '../testing/test-api.ts';
import { enrolTestRelay } from '../testing/test-relay.ts';
import { openApiDocument } from './open-api.ts';

const apiTest = apiTests();
const RUNS_PER_OPERATION = 12;

const schemaSchema = z.looseObject({
  type: z.string().optional(),
  enum: z.array(z.unknown()).optional(),
  const: z.unknown().optional(),
  pattern: z.string().optional(),
  format: z.string().optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  maxLength: z.number().optional(),
  maxItems: z.number().optional(),
  anyOf: z.array(z.unknown()).optional(),
  items: z.unknown().optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  required: z.array(z.string()).optional(),
});

const operationSchema = z.looseObject({
  parameters: z.array(z.looseObject({ name: z.string(), in: z.string(), schema: z.unknown() })),
  requestBody: z.looseObject({ content: z.record(z.string(), z.looseObject({ schema: z.unknown() })) }).optional(),
});
const documentSchema = z.looseObject({
  openapi: z.literal('3.1.0'),
  paths: z.record(z.string(), z.record(z.string(), operationSchema)),
});

function strings({ pattern, format, maxLength = 40 }: z.output<typeof schemaSchema>): fc.Arbitrary<unknown> {
  if (format === 'uuid') return fc.uuid();
  if (format === 'date-time') return fc.date({ noInvalidDate: true }).map((date) => date.toISOString());
  const any = fc.string({ unit: 'binary', maxLength: Math.min(maxLength, 300) });
  try {
    return pattern === undefined ? any : fc.stringMatching(new RegExp(pattern), { maxLength });
  } catch {
    return any; // not all patterns can be turned round
  }
}

/** Values of a schema, and now and then something else in their place. */
function valuesOf(schema: unknown): fc.Arbitrary<unknown> {
  const parsed = schemaSchema.parse(schema);
  return fc.oneof({ weight: 12, arbitrary: fittingOf(parsed) }, { weight: 1, arbitrary: fc.jsonValue() });
}

function fittingOf(schema: z.output<typeof schemaSchema>): fc.Arbitrary<unknown> {
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map(valuesOf));
  switch (schema.type) {
    case 'string':
      return strings(schema);
    case 'integer':
      return fc.integer({
        min: Math.max(schema.minimum ?? 0, -(2 ** 31)),
        max: Math.min(schema.maximum ?? 100, 2 ** 31 - 1),
      });
    case 'number':
      return fc.double({ min: schema.minimum ?? 0, max: schema.maximum ?? 1, noNaN: true });
    case 'boolean':
      return fc.boolean();
    case 'array':
      return fc.array(valuesOf(schema.items ?? {}), { maxLength: Math.min(schema.maxItems ?? 4, 4) });
    case 'object': {
      const members = Object.entries(schema.properties ?? {}).map(
        ([name, member]) => [name, valuesOf(member)] as const,
      );
      return fc.record(Object.fromEntries(members), { requiredKeys: schema.required ?? [] });
    }
    default:
      return fc.jsonValue();
  }
}

function valuesOfOperation(operation: z.output<typeof operationSchema>) {
  const members = operation.parameters.map(({ name, schema }) => [name, valuesOf(schema)] as const);
  const body = operation.requestBody?.content['application/json']?.schema;
  return fc.record({
    parameters: fc.record(Object.fromEntries(members)),
    body: body === undefined ? fc.constant(undefined) : valuesOf(body),
  });
}

/** Any value has a text but for objects whose `toString` is not what it should be. */
function textOf(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function pathOf(
  path: string,
  operation: z.output<typeof operationSchema>,
  values: { readonly [name: string]: unknown },
) {
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(textOf(values[name])) || '-');
  const query = new URLSearchParams();
  for (const { name, in: place } of operation.parameters) if (place === 'query') query.set(name, textOf(values[name]));
  return query.size === 0 ? filled : `${filled}?${query}`;
}

test('the document names every route, with what it takes and who it is for', () => {
  const document = documentSchema.parse(openApiDocument(ROUTES, '0'));
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`),
  );
  assert.deepEqual(operations.sort(), ROUTES.map(({ method, path }) => `${method} ${path}`).sort());
});

apiTest('whatever is sent, by whomever, the control plane does not fail', async (api) => {
  const operator = await api.token('operator');
  await api.ok('POST', '/channels', { as: operator, body: { channel: 'c' } });
  const relay = await enrolTestRelay(api, 1, { as: operator, channels: ['c'] });
  const document = documentSchema.parse(await api.ok('GET', '/openapi.json'));
  const callers = fc.constantFrom(operator, relay.credential, undefined);
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const property = fc.asyncProperty(valuesOfOperation(operation), callers, async ({ parameters, body }, as) => {
        const place = pathOf(path, operation, parameters);
        const { status } = await api.call(method.toUpperCase(), place, { as, body });
        assert.ok(status < 500, `${method} ${place}: ${status}`);
      });
      await fc.assert(property, { numRuns: RUNS_PER_OPERATION });
    }
  }
});

test('the document is one of OpenAPI 3.1', async () => {
  const { valid, errors } = await new Validator().validate(structuredClone(openApiDocument(ROUTES, '0')));
  assert.ok(valid, JSON.stringify(errors));
});

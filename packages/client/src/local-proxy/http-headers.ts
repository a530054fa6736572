import type { IncomingMessage } from 'node:http';

/** Fields that concern one connection and not the message (RFC 9110 §7.6.1), and those between an application and its proxy. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);

/** Fields that `Connection` cannot make disappear: without them the message would be another one. */
const ESSENTIAL: ReadonlySet<string> = new Set(['content-length', 'host']);

/** Node's list of names and values in turn, as pairs. */
export function fieldPairs(rawHeaders: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    pairs.push([rawHeaders[index] ?? '', rawHeaders[index + 1] ?? '']);
  }
  return pairs;
}

/** The fields of a message that go on to its other end, in their order and spelling, names and values in turn. */
export function endToEndFields(rawHeaders: readonly string[]): string[] {
  const pairs = fieldPairs(rawHeaders);
  const named = pairs
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.split(','))
    .map((token) => token.trim().toLowerCase())
    .filter((token) => !ESSENTIAL.has(token));
  const dropped = new Set([...HOP_BY_HOP, ...named]);
  return pairs.filter(([name]) => !dropped.has(name.toLowerCase())).flat();
}

/** The same without the fields called `name` (lower case). */
export function withoutField(fields: readonly string[], name: string): string[] {
  return fieldPairs(fields)
    .filter(([field]) => field.toLowerCase() !== name)
    .flat();
}

/** How the body of a request is delimited (RFC 9112 §6): not there, by its length, in chunks, or in a coding that is not known here. */
export type BodyFraming = 'none' | 'sized' | 'chunked' | 'unsupported';

/** How the body of `request` is delimited. */
export function bodyFraming(request: IncomingMessage): BodyFraming {
  const coding = request.headers['transfer-encoding'];
  if (coding !== undefined) return coding.trim().toLowerCase() === 'chunked' ? 'chunked' : 'unsupported';
  return request.headers['content-length'] === undefined ? 'none' : 'sized';
}

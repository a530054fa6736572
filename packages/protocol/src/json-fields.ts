import { decodeBase64url } from './base64url.ts';
import { ProtocolError } from './errors.ts';

/** 9999-12-31T23:59:59Z: what every calendar can still write. */
const MAX_SECONDS = 253_402_300_799;

/** An object in JSON. */
export interface JsonObject {
  readonly [name: string]: unknown;
}

/** Whether the value is an object, and no list. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The members of an object that came from outside, each read by its form and bounds. What is not as asked for is a `ProtocolError`
 * (`malformed`, `out-of-bounds`) that names the member and never quotes its value, which may be a secret.
 */
export class JsonFields {
  readonly #object: JsonObject;
  readonly #what: string;

  /** `what`: of what the members are, for error texts. */
  constructor(object: JsonObject, what: string) {
    this.#object = object;
    this.#what = what;
  }

  /** Reads the object in JSON that the bytes are in UTF-8, without a byte order mark. */
  static parse(bytes: Buffer, what: string): JsonFields {
    const value = parseJson(bytes);
    if (isJsonObject(value)) return new JsonFields(value, what);
    throw new ProtocolError('malformed', `${what}: not an object in JSON and UTF-8`);
  }

  get object(): JsonObject {
    return this.#object;
  }

  malformed(message: string): ProtocolError {
    return new ProtocolError('malformed', `${this.#what}: ${message}`);
  }

  outOfBounds(message: string): ProtocolError {
    return new ProtocolError('out-of-bounds', `${this.#what}: ${message}`);
  }

  has(name: string): boolean {
    return this.#object[name] !== undefined;
  }

  /** The members of the object that is a member of this one. */
  fields(name: string): JsonFields {
    const value = this.#object[name];
    if (!isJsonObject(value)) throw this.malformed(`"${name}" is not an object`);
    return new JsonFields(value, `${this.#what}: "${name}"`);
  }

  string(name: string): string {
    const value = this.#object[name];
    if (typeof value !== 'string') throw this.malformed(`"${name}" is not a string`);
    return value;
  }

  pattern(name: string, pattern: RegExp): string {
    const text = this.string(name);
    if (!pattern.test(text)) throw this.malformed(`"${name}" is not of its form`);
    return text;
  }

  /** Bytes in base64url. */
  bytes(name: string, count: number): Buffer {
    const bytes = decodeBase64url(this.string(name));
    if (bytes.length !== count) throw this.outOfBounds(`"${name}" is not of ${count} bytes`);
    return bytes;
  }

  number(name: string, [least, most]: readonly [number, number]): number {
    const value = this.#object[name];
    if (typeof value !== 'number') throw this.malformed(`"${name}" is not a number`);
    if (!(value >= least && value <= most)) throw this.outOfBounds(`"${name}" is not from ${least} to ${most}`);
    return value;
  }

  integer(name: string, range: readonly [number, number]): number {
    const value = this.#object[name];
    if (typeof value !== 'number' || !Number.isInteger(value)) throw this.malformed(`"${name}" is not a whole number`);
    return this.number(name, range);
  }

  /** A time in whole seconds since 1970, as ms. */
  time(name: string): number {
    return 1000 * this.integer(name, [0, MAX_SECONDS]);
  }

  list(name: string, [least, most]: readonly [number, number]): readonly unknown[] {
    const value = this.#object[name];
    if (!Array.isArray(value)) throw this.malformed(`"${name}" is not a list`);
    if (value.length < least || value.length > most) {
      throw this.outOfBounds(`"${name}" has not ${least} to ${most} members`);
    }
    return value;
  }
}

/** The value, or nothing. The engine's error is dropped and not kept as a cause: it would quote the bytes, which may hold a secret. */
function parseJson(bytes: Buffer): unknown {
  try {
    // With ignoreBOM a byte order mark is not swallowed but reaches JSON.parse, which refuses it.
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

/** Freezes what JSON can hold, to its depth. Buffers cannot be frozen: whoever holds the value must not write to them. */
export function freezeDeep<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value;
  for (const member of Object.values(value)) freezeDeep(member);
  return Object.freeze(value);
}

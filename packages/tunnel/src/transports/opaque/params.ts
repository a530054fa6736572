import { TunnelError } from '../../errors.ts';

/** A client needs to know nothing beyond the address. */
export type OpaqueParams = Readonly<Record<string, never>>;

/** Takes any object; keys of later versions are ignored (docs/spec/transport-opaque.md). Throws a `TunnelError` (`bad-params`). */
export function parseOpaqueParams(input: unknown): OpaqueParams {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw new TunnelError('bad-params', 'the params of this transport are an object');
  }
  return Object.freeze({});
}

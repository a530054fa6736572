import type { Random } from '../../env.ts';
import { TunnelError } from '../../errors.ts';
import { type OpaqueParams, parseOpaqueParams } from './params.ts';

/** A listener needs to know nothing beyond the address. */
export type OpaqueSettings = Readonly<Record<string, never>>;

/** There is nothing to choose. Rejects with a `TunnelError` (`bad-params`) when something is chosen. */
export async function createOpaqueSettings(
  _random: Random,
  options: Readonly<Record<string, string>>,
): Promise<OpaqueSettings> {
  const [first] = Object.keys(options);
  if (first !== undefined) throw new TunnelError('bad-params', `opaque has no option named ${first}`);
  return Object.freeze({});
}

/** Takes any object; keys of later versions are ignored. Throws a `TunnelError` (`bad-params`). */
export function parseOpaqueSettings(input: unknown): OpaqueSettings {
  return parseOpaqueParams(input);
}

/** Clients need to know nothing either. */
export function paramsOfOpaque(_settings: OpaqueSettings): OpaqueParams {
  return Object.freeze({});
}

import { TunnelError } from '../../errors.ts';
import { checkArguments, type PluggableArguments } from './arguments.ts';
import { METHOD_NAME } from './managed-lines.ts';

/** What a client has to know: the method's name, and what its server has said that clients have to know. */
export interface PluggableParams {
  readonly method: string;
  readonly args: PluggableArguments;
}

/** Checks params; keys of later versions are ignored. Throws a `TunnelError` (`bad-params`). */
export function parsePluggableParams(input: unknown): PluggableParams {
  const { method, args } = readObject(input);
  return Object.freeze({ method: checkMethod(method), args: checkArguments(args ?? {}) });
}

/** Checks the name of a method. Throws a `TunnelError` (`bad-params`). */
export function checkMethod(input: unknown): string {
  if (typeof input === 'string' && METHOD_NAME.test(input)) return input;
  throw new TunnelError('bad-params', 'a method is named like obfs4: letters, digits and _');
}

/** The members of an object. Throws a `TunnelError` (`bad-params`). */
export function readObject(input: unknown): Readonly<Record<string, unknown>> {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw new TunnelError('bad-params', 'the params of this transport are an object');
  }
  return Object.fromEntries(Object.entries(input));
}

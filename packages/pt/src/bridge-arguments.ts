// What a client has to know of a bridge: the arguments of its Bridge line (docs/spec/pt.md).
//
//   cert    base64url of the bridge's static public key ‖ its access secret, 64 bytes
//   params  base64url of the transport's params as JSON; left out where they are {}
import { decodeBase64url, encodeBase64url, ProtocolError } from '@rozan/protocol';
import { MAX_ARGUMENT_BYTES } from './limits.ts';

const KEY_BYTES = 32;

/** A bridge as its clients see it. */
export interface Bridge {
  readonly key: Buffer;
  readonly secret: Buffer;
  readonly params: Readonly<Record<string, unknown>>;
}

/** The arguments of a bridge, by name; null when they are more than a client could pass on. */
export function formatBridge({ key, secret, params }: Bridge): Readonly<Record<string, string>> | null {
  const cert = encodeBase64url(Buffer.concat([key, secret]));
  const text = JSON.stringify(params);
  const args = text === '{}' ? { cert } : { cert, params: encodeBase64url(Buffer.from(text)) };
  const bytes = Object.entries(args).reduce((sum, [name, value]) => sum + name.length + value.length + 2, 0);
  return bytes > MAX_ARGUMENT_BYTES ? null : args;
}

/** Reads the arguments of a bridge; null for what are none. The transport checks the params. */
export function parseBridge(args: ReadonlyMap<string, string>): Bridge | null {
  const cert = decode(args.get('cert') ?? '');
  if (cert?.length !== 2 * KEY_BYTES) return null;
  const params = parseParams(args.get('params'));
  return params === null ? null : { key: cert.subarray(0, KEY_BYTES), secret: cert.subarray(KEY_BYTES), params };
}

function parseParams(text: string | undefined): Bridge['params'] | null {
  if (text === undefined) return {};
  try {
    const value: unknown = JSON.parse(decode(text)?.toString('utf8') ?? '');
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? Object.fromEntries(Object.entries(value)) : null;
  } catch {
    return null;
  }
}

function decode(text: string): Buffer | null {
  try {
    return decodeBase64url(text);
  } catch (cause) {
    if (cause instanceof ProtocolError) return null;
    throw cause;
  }
}

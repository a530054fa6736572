import { encodeTarget } from '@rozan/protocol';
import type { Target } from '@rozan/tunnel';

/**
 * The host that `text` from outside means: a name in lower case and in its ASCII form (IDNA), a dotted quad whatever notation of
 * IPv4 was used, or an IPv6 address without brackets. Nothing where it is none of these. `text` is UTF-8 already decoded.
 */
function normalizeHost(text: string): string | undefined {
  // What would let the URL parser see more than a host, or undo an escape.
  if (/[\s/\\?#@%<>|^]/.test(text)) return undefined;
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
  const isIpv6 = bare.includes(':');
  if (bare !== text && !isIpv6) return undefined;
  const url = URL.parse(isIpv6 ? `http://[${bare}]/` : `http://${bare}/`);
  if (!url || url.hostname === '') return undefined;
  return isIpv6 ? url.hostname.slice(1, -1) : url.hostname;
}

/** The target that an application named, in the one notation that a stream takes; nothing where host or port are not valid. */
export function parseTarget(host: string, port: number): Target | undefined {
  const normalized = normalizeHost(host);
  if (normalized === undefined) return undefined;
  const target = { host: normalized, port };
  try {
    encodeTarget(target);
  } catch {
    return undefined;
  }
  return target;
}

const OWN_HOST =
  /^(?:localhost\.?|.*\.localhost\.?|127\.\d+\.\d+\.\d+|0\.0\.0\.0|::1?|::ffff:(?:7f[0-9a-f]{2}:[0-9a-f]{1,4}|0:0))$/;

/** Whether `host`, as `parseTarget` writes it, means the machine that reads it. */
export function isLoopbackHost(host: string): boolean {
  return OWN_HOST.test(host) && host !== '0.0.0.0' && host !== '::';
}

/** Whether `target` is one of the proxies themselves, which listen at `addresses`. */
export function isOwnAddress(target: Target, addresses: readonly Target[]): boolean {
  return addresses.some(
    ({ host, port }) => port === target.port && (OWN_HOST.test(target.host) || normalizeHost(host) === target.host),
  );
}

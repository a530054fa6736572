import { TunnelError } from '../../errors.ts';
import { isPin } from '../../tls/pin.ts';

/** How a client reaches the web server: without TLS, with a pinned certificate, or with one that an authority vouches for. */
export type ClientTls = 'none' | 'pin' | 'ca';

/** What a client must know (docs/spec/transport-websocket.md). Address, SNI, `Host`, path and ALPN are independent of each other. */
export interface WebSocketParams {
  readonly tls: ClientTls;
  /** With `pin`: the SHA-256 of the certificate in DER, in base64url. */
  readonly pin?: string | undefined;
  /** The name shown in the client hello; none is shown without. */
  readonly sni?: string | undefined;
  /** With `ca`: the name that the certificate must bear; without, `sni` or else `host`. */
  readonly name?: string | undefined;
  /** For `Host` and `Origin`; the address that was dialled without. */
  readonly host?: string | undefined;
  readonly path: string;
  /** Protocols offered by TLS. */
  readonly alpn: readonly string[];
  /** The name of the cookie that carries the first flight. */
  readonly cookie: string;
  /** 32 bytes in base64url: who knows it may ask the relay. */
  readonly key: string;
}

const MAX_NAME_CHARS = 253;
const MAX_ALPN = 4;

/** A name as it may stand in a client hello. */
export function isHostName(text: string): boolean {
  return text.length <= MAX_NAME_CHARS && /^(?!\d+(?:\.\d+)*$)[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(text);
}

/** What may stand in `Host`: a name or an address, perhaps with a port. */
export function isAuthority(text: string): boolean {
  return text.length <= MAX_NAME_CHARS + 6 && /^(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/.test(text);
}

/** A path without query, of characters that no server changes. */
export function isPath(text: string): boolean {
  return text.length <= 128 && /^(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+\/?$/.test(text);
}

/** A protocol's name as TLS knows it. */
export function isAlpn(text: string): boolean {
  return /^[A-Za-z0-9./-]{1,32}$/.test(text);
}

const RULES: Readonly<Record<keyof WebSocketParams, (value: unknown) => boolean>> = {
  tls: (value) => value === 'none' || value === 'pin' || value === 'ca',
  pin: (value) => value === undefined || (typeof value === 'string' && isPin(value)),
  sni: (value) => value === undefined || (typeof value === 'string' && isHostName(value)),
  name: (value) => value === undefined || (typeof value === 'string' && isHostName(value)),
  host: (value) => value === undefined || (typeof value === 'string' && isAuthority(value)),
  path: (value) => typeof value === 'string' && isPath(value),
  alpn: (value) =>
    Array.isArray(value) && value.length <= MAX_ALPN && value.every((each) => typeof each === 'string' && isAlpn(each)),
  cookie: (value) => typeof value === 'string' && /^[A-Za-z0-9_.-]{1,32}$/.test(value),
  key: (value) => typeof value === 'string' && isPin(value),
};

/** Checks params; members that it does not know are ignored. Throws a `TunnelError` (`bad-params`). */
export function parseWebSocketParams(input: unknown): WebSocketParams {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw new TunnelError('bad-params', 'the params of this transport are an object');
  }
  const given: Readonly<Record<string, unknown>> = { ...input };
  for (const [member, isRight] of Object.entries(RULES)) {
    if (!isRight(given[member])) throw new TunnelError('bad-params', `websocket: ${member} is not what it has to be`);
  }
  // Every member has just been checked.
  const params = Object.fromEntries(
    Object.keys(RULES).flatMap((member) => (given[member] === undefined ? [] : [[member, given[member]]])),
  );
  const checked = params as unknown as WebSocketParams;
  if (checked.tls === 'pin' && checked.pin === undefined)
    throw new TunnelError('bad-params', 'websocket: the pin is missing');
  if (checked.tls === 'ca' && nameOf(checked) === undefined) {
    throw new TunnelError('bad-params', 'websocket: there is no name that the certificate could bear');
  }
  return Object.freeze(checked);
}

/** The name that a vouched-for certificate must bear. */
export function nameOf({ name, sni, host }: WebSocketParams): string | undefined {
  const bare = host?.replace(/:\d+$/, '');
  return name ?? sni ?? (bare !== undefined && isHostName(bare) ? bare : undefined);
}

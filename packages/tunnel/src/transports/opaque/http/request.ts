import { formatAddress } from '../../../address.ts';
import type { SocketAddress } from '../../../network.ts';
import { MAX_HEAD_BYTES } from '../limits.ts';
import { MARK_BYTES } from '../mark.ts';

/** What the requests to one listener look like, beside what is fresh in each. */
export interface RequestLook {
  /** Whose headers, in whose order. */
  readonly agent: RequestAgent;
  readonly path: string;
  /** The name of the cookie that holds the mark. */
  readonly cookie: string;
}

/** A program that uploads without a declared length. */
export type RequestAgent = 'curl' | 'go' | 'okhttp';

export const REQUEST_AGENTS: readonly RequestAgent[] = ['curl', 'go', 'okhttp'];

/** A part of a request's head that differs from request to request. */
type Field = 'host' | 'mark';

const FIELD_PATTERNS: Readonly<Record<Field, RegExp>> = {
  host: /^[A-Za-z0-9.:[\]-]{1,255}$/,
  mark: /^[A-Za-z0-9_-]{32}$/,
};

const FIELDS: ReadonlyMap<string, Field> = new Map([
  ['{host}', 'host'],
  ['{mark}', 'mark'],
]);

/** The lines of each program's head below the first, as it sends them. */
function linesOf({ agent, cookie }: RequestLook): readonly string[] {
  const mark = `Cookie: ${cookie}={mark}`;
  const body = ['Content-Type: video/mp2t', 'Transfer-Encoding: chunked'];
  switch (agent) {
    case 'curl':
      return ['Host: {host}', 'User-Agent: curl/7.88.1', 'Accept: */*', mark, ...body];
    case 'go':
      return ['Host: {host}', 'User-Agent: Go-http-client/1.1', ...body.toReversed(), mark, 'Accept-Encoding: gzip'];
    case 'okhttp':
      return [
        ...body,
        'Host: {host}',
        'Connection: Keep-Alive',
        'Accept-Encoding: gzip',
        mark,
        'User-Agent: okhttp/4.12.0',
      ];
  }
}

function templateOf(look: RequestLook): string {
  return `POST ${look.path} HTTP/1.1\r\n${linesOf(look).join('\r\n')}\r\n\r\n`;
}

/** What `Host` says where no name was chosen: the address, with the port unless that is the usual one. */
export function hostOf(address: SocketAddress): string {
  if (address.port !== 80) return formatAddress(address);
  return address.host.includes(':') ? `[${address.host}]` : address.host;
}

/** The head of a request. */
export function makeRequest(
  look: RequestLook,
  { host, mark }: { readonly host: string; readonly mark: Buffer },
): Buffer {
  const text = templateOf(look).replace('{host}', host).replace('{mark}', mark.toString('base64url'));
  return Buffer.from(text, 'latin1');
}

/** What can be told of the beginning of a connection. */
export type RequestMatch =
  /** No request of ours begins like this. */
  | { readonly kind: 'other' }
  /** More has to come. */
  | { readonly kind: 'part' }
  /** A head as ours are, with its mark, which is still to be checked. */
  | { readonly kind: 'head'; readonly bytes: number; readonly mark: Buffer };

const OTHER: RequestMatch = { kind: 'other' };
const PART: RequestMatch = { kind: 'part' };

/** Compares the first bytes of a connection with a request of this look. */
export function matchRequest(look: RequestLook, bytes: Buffer): RequestMatch {
  const text = bytes.toString('latin1', 0, MAX_HEAD_BYTES);
  let at = 0;
  let mark = '';
  for (const piece of templateOf(look).split(/(\{host\}|\{mark\})/)) {
    const field = FIELDS.get(piece) ?? null;
    if (field === null) {
      const here = text.slice(at, at + piece.length);
      if (!piece.startsWith(here)) return OTHER;
      if (here.length < piece.length) return PART;
      at += piece.length;
      continue;
    }
    const end = text.indexOf('\r', at);
    const value = text.slice(at, end === -1 ? undefined : end);
    if (end === -1) return value === '' || isBeginning(field, value) ? PART : OTHER;
    if (!FIELD_PATTERNS[field].test(value)) return OTHER;
    if (field === 'mark') mark = value;
    at = end;
  }
  const raw = Buffer.from(mark, 'base64url');
  return raw.length === MARK_BYTES ? { kind: 'head', bytes: at, mark: raw } : OTHER;
}

/** Whether a value could still become one of this field. */
function isBeginning(field: Field, value: string): boolean {
  return field === 'host' ? FIELD_PATTERNS.host.test(value) : /^[A-Za-z0-9_-]{1,32}$/.test(value);
}

// What rule files ask of what a protocol says in the clear.

import { ja3Of, ja4Of } from '../classifiers/tls-fingerprint.ts';
import type { Ask } from './ask.ts';
import type { Flow } from './flow.ts';
import { dnsMessage, dnsQueryName, startsHttp, startsQuicInitial } from './protocols.ts';
import { readQuicHello } from './quic-initial.ts';
import type { Condition, HelloPattern } from './schema.ts';
import { readHelloMessage, readHelloRecords, type TlsHello } from './tls-hello.ts';
import type { Truth } from './truth.ts';

const DTLS_HEADER_BYTES = 13;
const DTLS_MESSAGE_HEADER_BYTES = 12;
const DTLS_MESSAGES = { 'client-hello': 1, 'server-hello': 2, 'hello-verify': 3 } as const;
/** A request whose head is longer is not read further. */
const MAX_HTTP_HEAD = 8192;

/** Whether a name is one of the list, or (`suffix`) below one of them, or (`substring`) contains one. */
export function nameMatches(name: string, wanted: readonly string[], match: HelloPattern['match']): boolean {
  return wanted.some((one) => {
    const text = one.toLowerCase().replace(/^\*\./, '');
    if (match === 'substring') return name.includes(text);
    return name === text || (match === 'suffix' && name.endsWith(`.${text}`));
  });
}

function helloMatches(hello: TlsHello, pattern: HelloPattern, transport: 't' | 'q'): boolean {
  const { sni, match, extension, ja3, ja4 } = pattern;
  if (sni !== undefined && (hello.sni === null || !nameMatches(hello.sni, sni, match))) return false;
  if (extension !== undefined && !extension.every((type) => hello.extensions.includes(type))) return false;
  if (ja3 !== undefined && !ja3.includes(ja3Of(hello))) return false;
  return ja4 === undefined || ja4.includes(ja4Of(hello, transport));
}

/** The hello of a flow over TCP: `false` where there is none. */
function helloOf({ client, tuple }: Flow, reassemble: boolean): TlsHello | false | null {
  if (tuple.transport !== 'tcp') return false;
  const [first] = client.payloads;
  if (first === undefined) return null;
  if (reassemble) return readHelloRecords(client.head);
  return readHelloRecords(first) ?? false;
}

export function askHello(pattern: HelloPattern): Ask {
  const { reassemble } = pattern;
  return ({ flow }) => {
    const hello = flow.find(`hello ${reassemble}`, () => helloOf(flow, reassemble));
    return hello === null ? null : hello !== false && helloMatches(hello, pattern, 't');
  };
}

interface HttpHead {
  readonly method: string;
  readonly host: string | null;
}

function httpHeadOf({ client, tuple }: Flow, reassemble: boolean): HttpHead | false | null {
  if (tuple.transport !== 'tcp') return false;
  const [first = Buffer.alloc(0)] = client.payloads;
  const head = reassemble ? client.head : first;
  if (head.length === 0) return null;
  if (!startsHttp(head)) return false;
  const text = head.toString('latin1');
  const host = /\r?\nhost:[ \t]*([^\r\n]*)\r?\n/i.exec(text)?.[1];
  const isWhole = /\r?\n\r?\n/.test(text) || head.length >= MAX_HTTP_HEAD;
  if (host === undefined && !isWhole) return reassemble ? null : false;
  const name = host?.trim().toLowerCase().replace(/:\d+$/, '') ?? null;
  return { method: text.slice(0, text.indexOf(' ')), host: name };
}

export function askHttp({ host, method, reassemble }: NonNullable<Condition['http']>): Ask {
  return ({ flow }) => {
    const head = flow.find(`http head ${reassemble}`, () => httpHeadOf(flow, reassemble));
    if (head === null || head === false) return head;
    const hasHost = host === undefined || (head.host !== null && nameMatches(head.host, host, 'suffix'));
    return hasHost && (method === undefined || method.includes(head.method));
  };
}

export function askDns({ name }: NonNullable<Condition['dns']>): Ask {
  return ({ flow, event }) => {
    const latest = event.kind === 'data' && event.from === 'client' ? event.payload : flow.client.payloads.at(-1);
    if (latest === undefined) return null;
    const message = dnsMessage(flow.tuple.transport, latest);
    const asked = message === null ? null : dnsQueryName(message);
    if (asked === null) return false;
    return name === undefined || nameMatches(asked, name, 'suffix');
  };
}

export function askQuic({ version, ...pattern }: NonNullable<Condition['quic']>): Ask {
  const { sni, extension, ja3, ja4, reassemble } = pattern;
  const asksHello = [sni, extension, ja3, ja4].some((wanted) => wanted !== undefined);
  return ({ flow }): Truth => {
    if (flow.tuple.transport !== 'udp') return false;
    const [first] = flow.client.payloads;
    if (first === undefined) return null;
    if (!startsQuicInitial(first)) return false;
    if (version !== undefined && !version.includes(first.readUInt32BE(1))) return false;
    if (!asksHello) return true;
    const hello = flow.find(`quic hello ${reassemble}`, () => readQuicHello(first, reassemble) ?? false);
    return hello !== null && hello !== false && helloMatches(hello, pattern, 'q');
  };
}

/** The handshake message in a DTLS record, with the header that TLS would give it (RFC 6347 §4.2.2). */
function dtlsMessage(bytes: Buffer): Buffer | null {
  if (bytes.length < DTLS_HEADER_BYTES + DTLS_MESSAGE_HEADER_BYTES || bytes[0] !== 0x16 || bytes[1] !== 0xfe)
    return null;
  const message = bytes.subarray(DTLS_HEADER_BYTES);
  return Buffer.concat([message.subarray(0, 4), message.subarray(DTLS_MESSAGE_HEADER_BYTES)]);
}

function dtlsExtensions(message: Buffer): readonly number[] {
  // A DTLS hello has a cookie behind the session id; without it, it is one of TLS.
  const at = 4 + 2 + 32;
  const cookieAt = at + 1 + (message[at] ?? 0);
  const cookieBytes = message[cookieAt] ?? 0;
  const plain = Buffer.concat([message.subarray(0, cookieAt), message.subarray(cookieAt + 1 + cookieBytes)]);
  if (plain.length < 4) return [];
  plain.writeUIntBE(plain.length - 4, 1, 3);
  const hello = readHelloMessage(plain);
  return hello === null || hello === false ? [] : hello.extensions;
}

function serverHelloExtensions(message: Buffer): readonly number[] {
  const types: number[] = [];
  const sessionAt = 4 + 2 + 32;
  let at = sessionAt + 1 + (message[sessionAt] ?? 0) + 3 + 2;
  while (at + 4 <= message.length) {
    types.push(message.readUInt16BE(at));
    at += 4 + message.readUInt16BE(at + 2);
  }
  return types;
}

export function askDtls({ message: wanted, extension }: NonNullable<Condition['dtls']>): Ask {
  return ({ flow }): Truth => {
    if (flow.tuple.transport !== 'udp') return false;
    const all = [...flow.client.payloads, ...flow.server.payloads];
    if (all.length === 0) return null;
    return all.some((bytes) => {
      const message = dtlsMessage(bytes);
      if (message === null || message[0] !== DTLS_MESSAGES[wanted]) return false;
      if (extension === undefined) return true;
      const types = wanted === 'server-hello' ? serverHelloExtensions(message) : dtlsExtensions(message);
      return extension.every((type) => types.includes(type));
    });
  };
}

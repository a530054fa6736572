import type { Flow } from './flow.ts';
import { dnsMessage, dnsQueryName } from './protocols.ts';
import type { Action } from './schema.ts';
import type { Outcome } from './verdict.ts';

type Forge = NonNullable<Action['forge']>;

const DNS_HEADER_BYTES = 12;
const TTL_SECONDS = 60;
const REASONS: ReadonlyMap<number, string> = new Map([
  [200, 'OK'],
  [302, 'Found'],
  [403, 'Forbidden'],
]);

/** An answer to a query, with one address (RFC 1035 §4.1.3). */
export function forgeDns(query: Buffer, address: string): Buffer {
  const name = dnsQueryName(query);
  if (name === null) return Buffer.alloc(0);
  let questionEnd = DNS_HEADER_BYTES;
  while ((query[questionEnd] ?? 0) > 0) questionEnd += 1 + (query[questionEnd] ?? 0);
  questionEnd += 5;
  const answer = Buffer.from([
    0xc0,
    DNS_HEADER_BYTES,
    0,
    1,
    0,
    1,
    0,
    0,
    0,
    TTL_SECONDS,
    0,
    4,
    ...address.split('.').map(Number),
  ]);
  const header = Buffer.from(query.subarray(0, DNS_HEADER_BYTES));
  header.writeUInt16BE(0x8180, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(1, 6);
  header.writeUInt32BE(0, 8);
  return Buffer.concat([header, query.subarray(DNS_HEADER_BYTES, questionEnd), answer]);
}

function forgeHttp(status: number): Buffer {
  const body = `<html><head><title>${status}</title></head><body></body></html>`;
  const head = `HTTP/1.1 ${status} ${REASONS.get(status) ?? 'Blocked'}\r\nContent-Type: text/html\r\nContent-Length: ${body.length}\r\n`;
  return Buffer.from(`${head}Connection: close\r\n\r\n${body}`);
}

/** What the censor says in the server's place. */
export function forgeAnswer({ http, dns, afterwards }: Forge, flow: Flow): Outcome {
  if (http !== undefined) return { act: 'forge', answer: forgeHttp(http), afterwards };
  const { transport } = flow.tuple;
  const query = dnsMessage(transport, flow.client.payloads.at(-1) ?? Buffer.alloc(0)) ?? Buffer.alloc(0);
  const answer = forgeDns(query, dns ?? '0.0.0.0');
  const length = Buffer.of(answer.length >> 8, answer.length & 0xff);
  return { act: 'forge', answer: transport === 'tcp' ? Buffer.concat([length, answer]) : answer, afterwards };
}

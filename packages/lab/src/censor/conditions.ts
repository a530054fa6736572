// What rule files ask of flows, made into functions.
import { judgeFirstPacket } from '../classifiers/first-packet.ts';
import { judgeByNdpi, judgeByOpenGfw } from '../classifiers/tls-in-tls.ts';
import { inAddressSet, parseAddressSet } from './address-set.ts';
import { type Ask, inRange } from './ask.ts';
import { askDns, askDtls, askHello, askHttp, askQuic } from './ask-protocols.ts';
import { scopeKey } from './flow.ts';
import { speaks } from './protocols.ts';
import type { Condition, PayloadPattern, Range } from './schema.ts';
import { allOf, anyOf, not } from './truth.ts';

const MS = 1000;

/** Bits per byte. */
export function entropyOf(bytes: Buffer): number {
  const counts = new Uint32Array(256);
  for (const byte of bytes) counts[byte] = (counts[byte] ?? 0) + 1;
  let bits = 0;
  for (const count of counts) if (count > 0) bits -= (count / bytes.length) * Math.log2(count / bytes.length);
  return bits;
}

function payloadTest(pattern: PayloadPattern): (bytes: Buffer) => boolean {
  const { hex, text, regex, printable, length } = pattern;
  const tests: ((bytes: Buffer) => boolean)[] = [];
  const startsWith = (start: Buffer) => (bytes: Buffer) => bytes.subarray(0, start.length).equals(start);
  if (hex !== undefined) tests.push(startsWith(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex')));
  if (text !== undefined) tests.push(startsWith(Buffer.from(text, 'latin1')));
  if (regex !== undefined) {
    const compiled = new RegExp(regex, 's');
    tests.push((bytes) => compiled.test(bytes.toString('latin1')));
  }
  if (printable !== undefined) {
    const isPrintable = (byte: number) => byte >= 0x20 && byte <= 0x7e;
    tests.push((bytes) => bytes.length >= printable && bytes.subarray(0, printable).every(isPrintable));
  }
  if (length !== undefined) tests.push((bytes) => inRange(bytes.length, length));
  return (bytes) => tests.every((holds) => holds(bytes));
}

function nthPayload(side: 'client' | 'server', pattern: PayloadPattern): Ask {
  const holds = payloadTest(pattern);
  const name = `${side} ${JSON.stringify(pattern)}`;
  return ({ flow }) =>
    flow.find(name, () => {
      const bytes = flow[side].payloads[pattern.packet - 1];
      return bytes === undefined ? null : holds(bytes);
    });
}

type Key = keyof Condition;
type Makers = { readonly [K in Key]-?: (wanted: NonNullable<Condition[K]>, whole: Condition) => Ask };

function sums(wanted: NonNullable<Condition['bytes']>, what: 'bytes' | 'packets'): Ask {
  const holds = (value: number, range: Range | undefined) => range === undefined || inRange(value, range);
  return ({ flow: { client, server } }) =>
    holds(client[what], wanted.up) &&
    holds(server[what], wanted.down) &&
    holds(client[what] + server[what], wanted.total);
}

function fullyEncrypted(variant: NonNullable<Condition['fullyEncrypted']>): Ask {
  return ({ flow }) =>
    flow.find(`fully encrypted ${variant}`, ({ client, tuple }) => {
      const [bytes] = client.payloads;
      if (bytes === undefined) return null;
      // nDPI asks this only of flows that it could not name.
      const isNamed =
        variant === 'ndpi' && (['tls', 'http', 'ssh', 'dns'] as const).some((name) => speaks(flow, name, 1) === true);
      return tuple.transport === 'tcp' && !isNamed && judgeFirstPacket(bytes, variant).isFlagged;
    });
}

function tlsInTls(engine: NonNullable<Condition['tlsInTls']>): Ask {
  return ({ flow: { sizes } }) => {
    if (engine === 'ndpi') return judgeByNdpi(sizes, 'unknown').isFlagged;
    if (engine === 'ndpi-tls') return judgeByNdpi(sizes, 'tls').isFlagged;
    return judgeByOpenGfw(sizes, { fromStart: engine === 'opengfw-start' }).isFlagged;
  };
}

const MAKERS: Makers = {
  all: (parts) => {
    const asks = parts.map(compileCondition);
    return (sight) => allOf(asks.map((ask) => ask(sight)));
  },
  any: (parts) => {
    const asks = parts.map(compileCondition);
    return (sight) => anyOf(asks.map((ask) => ask(sight)));
  },
  not: (part) => {
    const ask = compileCondition(part);
    return (sight) => not(ask(sight));
  },
  transport:
    (wanted) =>
    ({ flow }) =>
      flow.tuple.transport === wanted,
  direction:
    (wanted) =>
    ({ event }) =>
      event.kind === 'data' && (event.from === 'client' ? 'up' : 'down') === wanted,
  server: (texts) => {
    const set = parseAddressSet(texts);
    return ({ flow }) => inAddressSet(set, flow.tuple.server.host);
  },
  client: (texts) => {
    const set = parseAddressSet(texts);
    return ({ flow }) => inAddressSet(set, flow.tuple.client.host);
  },
  port:
    (ports) =>
    ({ flow }) =>
      ports.includes(flow.tuple.server.port),
  sourcePort:
    (wanted) =>
    ({ flow: { tuple } }) =>
      tuple.client.port > tuple.server.port === (wanted === 'above'),
  protocol: (names, { within = 1 }) => {
    return ({ flow }) =>
      anyOf(names.map((name) => flow.find(`protocol ${name} ${within}`, () => speaks(flow, name, within))));
  },
  within: () => () => true,
  first: (pattern) => nthPayload('client', pattern),
  answer: (pattern) => nthPayload('server', pattern),
  tls: askHello,
  http: askHttp,
  dns: askDns,
  quic: askQuic,
  dtls: askDtls,
  fullyEncrypted,
  tlsInTls,
  entropy:
    (range) =>
    ({ flow }) => {
      const [bytes] = flow.client.payloads;
      return bytes === undefined ? null : inRange(entropyOf(bytes), range);
    },
  sizes:
    ({ from, length, count }) =>
    ({ flow }) =>
      inRange(flow.sizes.filter((size) => size.from === from && inRange(size.bytes, length)).length, count),
  age:
    (range) =>
    ({ flow, event }) =>
      inRange((event.atMs - flow.openedMs) / MS, range),
  bytes: (wanted) => sums(wanted, 'bytes'),
  packets: (wanted) => sums(wanted, 'packets'),
  symmetry:
    (range) =>
    ({ flow: { client, server } }) =>
      inRange(Math.min(client.bytes, server.bytes) / Math.max(1, client.bytes, server.bytes), range),
  concurrent:
    ({ flows, per }) =>
    ({ flow, concurrent }) =>
      inRange(concurrent(per, scopeKey(per, flow.tuple)), flows),
  tally:
    ({ name, count, per }) =>
    ({ flow, tally }) =>
      inRange(tally(name, scopeKey(per, flow.tuple)), count),
  // From 22 to 6 goes over midnight.
  hour:
    ({ from, to }) =>
    ({ hour }) =>
      from <= to ? hour >= from && hour < to : hour >= from || hour < to,
};

/** Makes a condition into something that can be asked. */
export function compileCondition(condition: Condition): Ask {
  const asks: Ask[] = [];
  for (const [key, wanted] of Object.entries(condition)) {
    // The schema has seen to it that each member has its maker, and the type that this takes.
    const make = MAKERS[key as Key] as (wanted: unknown, whole: Condition) => Ask;
    if (wanted !== undefined) asks.push(make(wanted, condition));
  }
  return (sight) => allOf(asks.map((ask) => ask(sight)));
}

/** The ages in ms at which what a condition says may change by itself. */
export function agesOf(condition: Condition): number[] {
  const inner = [...(condition.all ?? []), ...(condition.any ?? []), ...(condition.not ? [condition.not] : [])];
  const own = condition.age?.from === undefined ? [] : [condition.age.from * MS];
  return [...own, ...inner.flatMap(agesOf)];
}

import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import type { Conn, Network, SocketAddress } from '@rozan/tunnel';

/** How long known probers wait for an answer at most (Alice et al. 2020: less than 10 s). */
const PATIENCE_MS = 10_000;
/** A listener that answers FIN with FIN does so at once; this is for a busy machine. */
const END_MS = 8_000;

/** What a prober does once it is connected. */
export interface Probe {
  readonly name: string;
  /** Sent one after another, each as a write of its own. */
  readonly pieces: readonly Buffer[];
  /** Afterwards: wait, send FIN, or send RST. */
  readonly after: 'wait' | 'fin' | 'rst';
}

/** What a prober has seen. */
export interface Sighting {
  readonly bytes: number;
  /** The other side ended the connection before the prober did. */
  readonly closedFirst: boolean;
  /** How it ended after the prober's own end. */
  readonly end: 'fin' | 'error' | 'none';
}

/** What every probe has to see. */
export const SILENCE: Sighting = { bytes: 0, closedFirst: false, end: 'fin' };

/** Probes a place, waits as long as real ones do, then ends its own side and looks how the other one ends. */
export async function runProbe(network: Network, address: SocketAddress, probe: Probe): Promise<Sighting> {
  const conn = await network.dial(address, { signal: AbortSignal.timeout(END_MS) });
  let bytes = 0;
  let end: Sighting['end'] = 'none';
  conn.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  conn.on('error', () => {
    end = 'error';
  });
  conn.once('end', () => {
    end = end === 'none' ? 'fin' : end;
  });
  for (const piece of probe.pieces) await write(conn, piece);
  if (probe.after === 'rst') {
    conn.resetAndDestroy?.();
    return { bytes, closedFirst: false, end: 'fin' };
  }
  if (probe.after === 'wait') await waitUnlessOver(conn, PATIENCE_MS);
  const closedFirst = probe.after === 'wait' && end !== 'none';
  if (!conn.destroyed) {
    const closed = once(conn, 'close', { signal: AbortSignal.timeout(END_MS) });
    conn.end();
    await closed.catch(() => {});
  }
  conn.destroy();
  return { bytes, closedFirst, end };
}

function write(conn: Conn, piece: Buffer): Promise<void> {
  return new Promise((resolve) => {
    conn.write(piece, () => resolve());
  });
}

async function waitUnlessOver(conn: Conn, patienceMs: number): Promise<void> {
  const patience = new AbortController();
  const stop = () => patience.abort();
  for (const event of ['end', 'close']) conn.once(event, stop);
  await pause(patienceMs, undefined, { signal: patience.signal }).catch(() => {});
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

/** What scanners and known probers say first, by protocol. */
export function protocolOpenings(): ReadonlyMap<string, Buffer> {
  return new Map([
    ['nothing', Buffer.alloc(0)],
    ['one byte', Buffer.of(0x16)],
    ['http', Buffer.from('GET / HTTP/1.1\r\nHost: example.com\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n\r\n')],
    ['tls', tlsHello()],
    ['ssh', Buffer.from('SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n')],
    ['stun', Buffer.concat([hex('0001 0000 2112a442'), randomBytes(12)])],
    ['s7', hex('03 00 00 16 11 e0 00 00 00 01 00 c0 01 0a c1 02 01 00 c2 02 01 02')],
    ['modbus', hex('0001 0000 0005 00 2b 0e 01 00')],
    ['dns-axfr', hex('001d 1234 0000 0001 0000 0000 0000 07 6578616d706c65 03 636f6d 00 00fc 0001')],
    ['70 kB', randomBytes(70_000)],
    ['221 bytes', randomBytes(221)],
  ]);
}

/** A ClientHello of TLS 1.2 with a server name, well formed. */
function tlsHello(): Buffer {
  const name = Buffer.from('example.com');
  const lengths = [name.length + 5, name.length + 3, name.length].map((length) => Buffer.of(length >> 8, length & 255));
  const [list = name, entry = name, text = name] = lengths;
  const serverName = Buffer.concat([hex('0000'), list, entry, hex('00'), text, name]);
  const ciphers = hex('0008 c02f c030 009c 002f 0100');
  const extensionBytes = Buffer.of(0, serverName.length);
  const body = Buffer.concat([hex('0303'), randomBytes(32), hex('00'), ciphers, extensionBytes, serverName]);
  const handshake = Buffer.concat([hex('01 00'), Buffer.of(body.length >> 8, body.length & 255), body]);
  return Buffer.concat([hex('16 0301'), Buffer.of(handshake.length >> 8, handshake.length & 255), handshake]);
}

/** Random bytes of the lengths with which Shadowsocks was probed: NR1 around its block and header sizes, NR2. */
export function randomProbes(): Probe[] {
  const lengths = [7, 8, 9, 11, 12, 13, 15, 16, 17, 21, 22, 23, 32, 33, 34, 40, 41, 42, 48, 49, 50, 221];
  return lengths.map((length) => ({ name: `random ${length}`, pieces: [randomBytes(length)], after: 'wait' }));
}

/** The replays R1 to R5 of a recorded first flight, R1 also byte by byte and with its end cut off. */
export function replayProbes(name: string, flight: Buffer): Probe[] {
  const changed = (positions: readonly number[]): Buffer => {
    const copy = Buffer.from(flight);
    for (const position of positions) copy[position] = (copy[position] ?? 0) ^ randomInt(1, 256);
    return copy;
  };
  const pieces: [string, Buffer[]][] = [
    ['R2: byte 0 changed', [changed([0])]],
    ['R3: bytes 0-7 and 62-63 changed', [changed([0, 1, 2, 3, 4, 5, 6, 7, 62, 63])]],
    ['R4: byte 16 changed', [changed([16])]],
    ['R5: bytes 6 and 16 changed', [changed([6, 16])]],
    ['header changed', [changed([70])]],
    ['last byte changed', [changed([flight.length - 1])]],
    ['last byte missing', [flight.subarray(0, -1)]],
    ['last byte changed, more behind', [changed([flight.length - 1]), randomBytes(3000)]],
  ];
  return pieces.map(([how, sent]) => ({ name: `${name} ${how}`, pieces: sent, after: 'wait' }));
}

/** A recorded flight as it was: R1, in the forms in which it can come. */
export function wholeReplays(name: string, flight: Buffer): Probe[] {
  return [
    { name: `${name} R1`, pieces: [flight], after: 'wait' },
    { name: `${name} R1, byte by byte`, pieces: [...flight].map((byte) => Buffer.of(byte)), after: 'wait' },
    { name: `${name} R1, more behind`, pieces: [flight, randomBytes(500)], after: 'wait' },
    { name: `${name} R1, then FIN`, pieces: [flight], after: 'fin' },
    { name: `${name} R1, then RST`, pieces: [flight], after: 'rst' },
  ];
}

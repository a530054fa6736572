import { randomBytes } from 'node:crypto';
import { protocolOpenings } from '../testing/probe.ts';

/** What a prober sends over a fresh connection, or inside TLS over one. */
export interface ProbeClass {
  readonly name: string;
  readonly bytes: Buffer;
  readonly isInsideTls: boolean;
  /** Sent behind the bytes, where the server would wait for more. */
  readonly ends: boolean;
}

const request = (text: string): Buffer => Buffer.from(`${text}\r\nHost: www.example.com\r\n\r\n`, 'latin1');

/**
 * The classes for a listener: pages, misses and malformed requests; a client's first message as it was recorded, and with its last bytes changed
 * (reference C31, C32). `recorded` is what a client wrote before the relay had answered, inside TLS where there is some.
 */
export function probeClasses(recorded: Buffer, isSecure: boolean): readonly ProbeClass[] {
  const changed = Buffer.from(recorded);
  // Within the last token or cookie of the head, which is where a mark or a flight lies.
  const head = changed.indexOf('\r\n\r\n');
  const at = head === -1 ? 60 : changed.toString('latin1', 0, head).search(/[\w-]{40}/);
  changed[at + 20] = changed[at + 20] === 0x41 ? 0x42 : 0x41;
  const inside = (name: string, bytes: Buffer, ends = false): ProbeClass => ({
    name,
    bytes,
    isInsideTls: isSecure,
    ends,
  });
  const outside = (name: string, bytes: Buffer): ProbeClass => ({ name, bytes, isInsideTls: false, ends: true });
  return [
    inside('page', request('GET / HTTP/1.1')),
    inside('no such page', request('GET /admin/login HTTP/1.1')),
    inside('post', Buffer.concat([request('POST / HTTP/1.1\r\nContent-Length: 4'), Buffer.from('a=bc')])),
    inside('not HTTP', randomBytes(221), true),
    inside('recorded', recorded, true),
    inside('recorded, changed', changed, true),
    ...(isSecure
      ? [
          outside('not TLS', randomBytes(221)),
          outside('HTTP to the TLS port', protocolOpenings().get('http') ?? Buffer.alloc(1)),
        ]
      : []),
  ];
}

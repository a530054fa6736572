// What protocol a connection's first bytes look like, as filters of packets judge it: one packet, no reassembly.

const HTTP_METHODS = ['GET', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'PATCH', 'CONNECT', 'TRACE'];
const LEAST_HTTP_BYTES = 8;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;

/** A method and a space, in at least 8 bytes (C05; net4people/bbs#49). */
export function looksLikeHttp(bytes: Buffer): boolean {
  return (
    bytes.length >= LEAST_HTTP_BYTES && HTTP_METHODS.some((method) => bytes.indexOf(`${method} `, 0, 'latin1') === 0)
  );
}

/** A record header: 16 03 01–03 and a length (C05). */
export function looksLikeTls(bytes: Buffer): boolean {
  const version = bytes[2] ?? 0;
  return bytes.length >= 5 && bytes[0] === 0x16 && bytes[1] === 3 && version >= 1 && version <= 3;
}

/** RFC 4253 §4.2. */
export function looksLikeSsh(bytes: Buffer): boolean {
  return bytes.subarray(0, 8).toString('latin1') === 'SSH-2.0-';
}

/** A DNS query over TCP: length, then a header with one question. */
export function looksLikeDns(bytes: Buffer): boolean {
  return bytes.length >= 14 && bytes.readUInt16BE(0) === bytes.length - 2 && bytes.readUInt16BE(6) === 1;
}

/** The server name of a ClientHello that lies in one packet whole (RFC 8446 §4.1.2, RFC 6066 §3); null for anything else. */
export function serverNameOf(bytes: Buffer): string | null {
  if (!looksLikeTls(bytes) || bytes[5] !== CLIENT_HELLO) return null;
  try {
    let at = 43;
    at += 1 + bytes.readUInt8(at);
    at += 2 + bytes.readUInt16BE(at);
    at += 1 + bytes.readUInt8(at);
    const end = at + 2 + bytes.readUInt16BE(at);
    at += 2;
    while (at + 4 <= end) {
      const [type, length] = [bytes.readUInt16BE(at), bytes.readUInt16BE(at + 2)];
      if (type === SERVER_NAME) {
        const nameBytes = bytes.readUInt16BE(at + 7);
        return bytes.toString('latin1', at + 9, at + 9 + nameBytes);
      }
      at += 4 + length;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return null;
}

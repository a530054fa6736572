// What a server of TLS 1.3 answers to a hello: ServerHello, ChangeCipherSpec, and four encrypted messages, each in a record of its own as OpenSSL
// writes them.
import { TunnelError } from '../../../errors.ts';
import { RECORD } from './records.ts';

/** EncryptedExtensions, Certificate, CertificateVerify, Finished. */
const ENCRYPTED_MESSAGES = 4;
const HEAD_BYTES = 5;
/** Where the cipher stands behind a session id of 32 bytes. */
const CIPHER_START = HEAD_BYTES + 4 + 2 + 32 + 1 + 32;
/** Types and lengths of the handshake's messages are the same under all ciphers but for the hash in Finished. */
const SHA384_CIPHER = 0x1302;

/** A server's flight that has come whole. */
export interface ServerFlight {
  readonly bytes: Buffer;
  /** Bytes of the hash that the agreed cipher goes with. */
  readonly hashBytes: number;
  readonly rest: Buffer;
}

/** Cuts a server's flight off the front; null while it is not whole. Throws a `TunnelError` (`failed`) when it is something else. */
export function takeServerFlight(bytes: Buffer): ServerFlight | null {
  let at = 0;
  const expected = [
    RECORD.handshake,
    RECORD.changeCipherSpec,
    ...Array.from({ length: ENCRYPTED_MESSAGES }, () => RECORD.data),
  ];
  for (const type of expected) {
    if (bytes.length < at + HEAD_BYTES) return null;
    if (bytes[at] !== type || bytes[at + 1] !== 3) {
      throw new TunnelError('failed', 'the relay does not answer as a server of TLS 1.3');
    }
    at += HEAD_BYTES + bytes.readUInt16BE(at + 3);
  }
  if (bytes.length < at || bytes.length < CIPHER_START + 2) return null;
  const hashBytes = bytes.readUInt16BE(CIPHER_START) === SHA384_CIPHER ? 48 : 32;
  return { bytes: bytes.subarray(0, at), hashBytes, rest: bytes.subarray(at) };
}

/** A Finished message's length without its seal. */
export function finishedBytes(hashBytes: number): number {
  return 4 + hashBytes;
}

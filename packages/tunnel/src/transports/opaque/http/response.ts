import type { Clock } from '../../../env.ts';
import { TunnelError } from '../../../errors.ts';
import { KEEP_ALIVE_MS, MAX_REQUESTS_PER_CONNECTION } from '../../../site/limits.ts';
import { MAX_HEAD_BYTES } from '../limits.ts';

const HEAD_END = '\r\n\r\n';

/** The head of an answer without a declared length, as the server of the decoy site (Node's) would write it. */
export function makeResponse(clock: Clock): Buffer {
  const lines = [
    'HTTP/1.1 200 OK',
    'Content-Type: video/mp2t',
    `Date: ${new Date(clock.wallMs()).toUTCString()}`,
    'Connection: keep-alive',
    `Keep-Alive: timeout=${KEEP_ALIVE_MS / 1000}, max=${MAX_REQUESTS_PER_CONNECTION}`,
    'Transfer-Encoding: chunked',
  ];
  return Buffer.from(lines.join('\r\n') + HEAD_END, 'latin1');
}

/** The bytes of an answer's head; null while it is not whole. Throws a `TunnelError` (`failed`) when it is another's answer. */
export function responseHeadBytes(bytes: Buffer): number | null {
  const text = bytes.toString('latin1', 0, MAX_HEAD_BYTES);
  const end = text.indexOf(HEAD_END);
  const isOk = text.length < 12 || /^HTTP\/1\.1 200/.test(text);
  if (
    !isOk ||
    (end === -1 && text.length >= MAX_HEAD_BYTES) ||
    (end !== -1 && !/\r\nTransfer-Encoding: chunked\r\n/i.test(`${text.slice(0, end)}\r\n`))
  ) {
    throw new TunnelError('failed', 'the relay answered as it answers strangers');
  }
  return end === -1 ? null : end + HEAD_END.length;
}

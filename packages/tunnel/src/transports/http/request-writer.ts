import type { Random } from '../../env.ts';
import type { PlannedRequest } from './client-machine.ts';
import type { ClientKeys } from './connection-keys.ts';
import { FrameSealer, frameBytesFor } from './frame.ts';
import { PADDING_BYTES, SMALL_BODY_BYTES } from './limits.ts';
import type { HttpParams } from './params.ts';
import { sealToken } from './request-token.ts';
import type { Segment } from './send-buffer.ts';

/** Turns planned requests into bytes. */
export interface RequestWriter {
  write(planned: PlannedRequest): Buffer[];
}

/** What the requests of a connection have in common. */
export interface RequestWriterOptions {
  readonly params: HttpParams;
  readonly entryKey: Buffer;
  readonly keys: ClientKeys;
  readonly host: string;
  readonly secure: boolean;
}

/** As the browsers that most people have. */
const USER_AGENT =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36';

export function createRequestWriter(random: Random, options: RequestWriterOptions): RequestWriter {
  const { params, host, keys } = options;
  const origin = `${options.secure ? 'https' : 'http'}://${host}`;
  const sealing = { ...options, requestKey: keys.keys.request, connectionKey: keys.connectionKey, random };
  const headOf = (planned: PlannedRequest, bodyBytes: number): Buffer => {
    const token = sealToken(planned.header, sealing).toString('base64url');
    const method = bodyBytes > 0 ? 'POST' : 'GET';
    const upload = [`Content-Length: ${bodyBytes}`, 'Content-Type: video/mp2t', `Origin: ${origin}`];
    const lines = [
      `${method} ${params.prefix}${token}${params.suffix} HTTP/1.1`,
      `Host: ${host}`,
      'Connection: keep-alive',
      ...(bodyBytes > 0 ? upload : []),
      `User-Agent: ${USER_AGENT}`,
      'Accept: */*',
      `Referer: ${origin}/`,
      'Accept-Encoding: identity',
      'Accept-Language: en-US,en;q=0.9',
    ];
    return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  };
  return {
    write: (planned) => {
      const { header, segment } = planned;
      const body = segment === null ? [] : bodyOf(random, segment, { keys: keys.keys.up, number: header.number });
      let bodyBytes = 0;
      for (const { length } of body) bodyBytes += length;
      return [headOf(planned, bodyBytes), ...body];
    },
  };
}

type BodyName = ConstructorParameters<typeof FrameSealer>[0];

function bodyOf(random: Random, segment: Segment, name: BodyName): Buffer[] {
  const sealer = new FrameSealer(name);
  const chunks: Buffer[] = [];
  const frames = splitSegment(segment, frameBytesFor(segment.bytes));
  const padding = segment.bytes < SMALL_BODY_BYTES ? drawPadding(random) : Buffer.alloc(0);
  frames.forEach(({ offset, pieces, end }, index) => {
    const last = index === frames.length - 1;
    const head = { offset, end, last, ack: 0, limit: 0, reset: false };
    chunks.push(...sealer.seal(head, pieces, last ? padding : Buffer.alloc(0)));
  });
  return chunks;
}

/** Random bytes of a random length. */
export function drawPadding(random: Random): Buffer {
  return random.bytes(1 + Math.floor(random.fraction() * PADDING_BYTES));
}

/** The same range in segments of at most `maxBytes`; the end is with the last. */
export function splitSegment(segment: Segment, maxBytes: number): Segment[] {
  if (segment.bytes <= maxBytes) return [segment];
  const segments: Segment[] = [];
  let pieces: Buffer[] = [];
  let bytes = 0;
  let { offset } = segment;
  const flush = () => {
    segments.push({ offset, pieces, bytes, end: false });
    offset += bytes;
    pieces = [];
    bytes = 0;
  };
  for (const whole of segment.pieces) {
    for (let rest = whole; rest.length > 0; ) {
      const piece = rest.subarray(0, maxBytes - bytes);
      rest = rest.subarray(piece.length);
      pieces.push(piece);
      bytes += piece.length;
      if (bytes === maxBytes) flush();
    }
  }
  if (bytes > 0) flush();
  const last = segments.pop();
  return last === undefined ? [segment] : [...segments, { ...last, end: segment.end }];
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TunnelError } from '../../errors.ts';
import { applyMask, FrameDecoder, headerBytes, writeHeader } from './frames.ts';

/** What a decoder has given out, pieces of data put together. */
function createDecoder(isServer: boolean) {
  const seen: string[] = [];
  const decoder = new FrameDecoder(isServer, {
    onData: (piece) => {
      const text = piece.toString('hex');
      if (seen.at(-1)?.startsWith('data ')) seen.push(`${seen.pop()}${text}`);
      else seen.push(`data ${text}`);
    },
    onEmptyMessage: () => seen.push('empty'),
    onPing: (payload) => seen.push(`ping ${payload.toString('hex')}`),
    onClose: () => seen.push('close'),
  });
  return { decoder, seen };
}

interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
  readonly mask: Buffer | null;
}

function encode({ opcode, payload, mask }: Frame): Buffer {
  const bytes = Buffer.alloc(headerBytes(payload.length, mask !== null) + payload.length);
  const at = writeHeader(bytes, 0, { opcode, payloadBytes: payload.length, mask });
  payload.copy(bytes, at);
  if (mask !== null) applyMask(bytes.subarray(at), mask, 0);
  return bytes;
}

const payloads = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.constantFrom(0, 1, 125, 126, 127, 65_535, 65_536, 70_001).map((length) => new Uint8Array(length).fill(length)),
);

const frames = (isServer: boolean) =>
  fc.array(
    fc.record({
      opcode: fc.constantFrom(2, 9, 10),
      payload: payloads.map((bytes) => Buffer.from(bytes)),
      mask: isServer
        ? fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => Buffer.from(bytes))
        : fc.constant(null),
    }),
    { maxLength: 6 },
  );

function expectedOf(list: readonly Frame[]): string[] {
  const { seen, decoder } = createDecoder(true);
  assert.equal(decoder.isInFrame, false);
  const data = (text: string) => {
    if (seen.at(-1)?.startsWith('data ')) seen.push(`${seen.pop()}${text}`);
    else seen.push(`data ${text}`);
  };
  for (const { opcode, payload } of list) {
    if (opcode === 9) seen.push(`ping ${payload.toString('hex')}`);
    else if (opcode === 2 && payload.length === 0) seen.push('empty');
    else if (opcode === 2) data(payload.toString('hex'));
  }
  return seen;
}

for (const isServer of [true, false]) {
  test(`frames come out as they went in, in pieces of any size: ${isServer ? 'of clients' : 'of servers'}`, () => {
    fc.assert(
      fc.property(frames(isServer), fc.integer({ min: 1, max: 5000 }), (drawn, pieceBytes) => {
        const list = drawn.map((frame) =>
          frame.opcode === 2 ? frame : { ...frame, payload: frame.payload.subarray(0, 125) },
        );
        const { decoder, seen } = createDecoder(isServer);
        const bytes = Buffer.concat(list.map(encode));
        const step = bytes.length > 50_000 ? Math.max(pieceBytes, 500) : pieceBytes;
        for (let at = 0; at < bytes.length; at += step) decoder.push(Buffer.from(bytes.subarray(at, at + step)));
        assert.deepEqual(seen, expectedOf(list));
        assert.equal(decoder.isInFrame, false);
      }),
      { numRuns: 60 },
    );
  });
}

test('masks are the same wherever the bytes lie and however they are cut', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 70 }),
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.record({ offset: fc.nat(7), cut: fc.nat(70) }),
      (bytes, mask, { offset, cut }) => {
        const expected = Buffer.from(bytes.map((byte, at) => byte ^ (mask[at & 3] ?? 0)));
        const memory = Buffer.alloc(bytes.length + offset);
        memory.set(bytes, offset);
        const view = memory.subarray(offset);
        const middle = Math.min(cut, view.length);
        applyMask(view.subarray(0, middle), Buffer.from(mask), 0);
        applyMask(view.subarray(middle), Buffer.from(mask), middle);
        assert.deepEqual(view, expected);
      },
    ),
  );
});

test('messages in fragments, byte by byte; an empty last fragment is no end', () => {
  const { decoder, seen } = createDecoder(false);
  const bytes = Buffer.from([0x02, 1, 7, 0x89, 1, 9, 0x00, 1, 8, 0x80, 0, 0x82, 0, 0x88, 2, 3, 0xe8]);
  for (const byte of bytes) decoder.push(Buffer.from([byte]));
  assert.deepEqual(seen, ['data 07', 'ping 09', 'data 08', 'empty', 'close']);
});

test('what was not agreed on is refused', () => {
  const cases: readonly [boolean, readonly number[]][] = [
    [false, [0xc2, 1]], // an extension
    [false, [0x81, 1]], // text
    [false, [0x83, 1]], // no opcode
    [false, [0x82, 0x81]], // a server that masks
    [true, [0x82, 1]], // a client that does not
    [false, [0x80, 1]], // nothing to go on with
    [false, [0x02, 0, 0x82, 1]], // a message in a message
    [false, [0x09, 1]], // a control frame in fragments
    [false, [0x89, 126]], // a long control frame
    [false, [0x8b, 0]], // no control opcode
    [false, [0x82, 127, 1, 0, 0, 0, 0, 0, 0, 0]], // a length beyond all
  ];
  for (const [isServer, bytes] of cases) {
    const { decoder } = createDecoder(isServer);
    assert.throws(
      () => decoder.push(Buffer.from(bytes)),
      (error) => error instanceof TunnelError && error.code === 'violation',
      bytes.join(' '),
    );
  }
});

test('any bytes give frames or a violation', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, isServer) => {
      try {
        createDecoder(isServer).decoder.push(Buffer.from(bytes));
      } catch (error) {
        assert.ok(error instanceof TunnelError && error.code === 'violation');
      }
    }),
  );
});

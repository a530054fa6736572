import fc from 'fast-check';
import { type ControlFrame, type DataFrame, type DatagramFrame, type Frame, MAX_TARGET_BYTES } from '../frame.ts';

const number = fc.oneof(fc.nat({ max: 100 }), fc.nat({ max: 20_000 }), fc.nat(), fc.maxSafeNat());
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const plain = { noNullPrototype: true } as const;

/** Any DATA frame. */
export const anyDataFrame: fc.Arbitrary<DataFrame> = fc
  .record(
    { type: fc.constant('data' as const), streamId: number, offset: number, bytes: bytes(100), end: fc.boolean() },
    plain,
  )
  .map((frame) => ({ ...frame, offset: Math.min(frame.offset, Number.MAX_SAFE_INTEGER - frame.bytes.length) }));

/** Any DATAGRAM frame. */
export const anyDatagramFrame: fc.Arbitrary<DatagramFrame> = fc.record(
  { type: fc.constant('datagram' as const), flowId: number, target: bytes(MAX_TARGET_BYTES), bytes: bytes(100) },
  plain,
);

/** Any frame without stream bytes. */
export const anyControlFrame: fc.Arbitrary<ControlFrame> = fc.oneof(
  fc.constantFrom<ControlFrame>({ type: 'ping' }, { type: 'retire' }, { type: 'drain' }),
  fc.record({ type: fc.constant('ack' as const), carrierId: number, records: number }, plain),
  fc.record({ type: fc.constant('arrival' as const), carrierId: number, timeUs: number }, plain),
  fc.record({ type: fc.constant('open' as const), streamId: number, target: bytes(MAX_TARGET_BYTES) }, plain),
  fc.record({ type: fc.constant('opened' as const), streamId: number }, plain),
  fc.record({ type: fc.constant('reset' as const), streamId: number, code: number, finalOffset: number }, plain),
  fc.record({ type: fc.constant('window' as const), streamId: number, limit: number }, plain),
  fc.record({ type: fc.constant('session-window' as const), limit: number }, plain),
  fc.record({ type: fc.constant('gone' as const), carrierId: number }, plain),
  fc.record({ type: fc.constant('close' as const), code: number }, plain),
  fc.record({ type: fc.constant('close-flow' as const), flowId: number }, plain),
  fc.record({ type: fc.constant('bond' as const), carriers: number }, plain),
  fc.record({ type: fc.constant('budget' as const), limit: number }, plain),
);

/** Any frame. */
export const anyFrame: fc.Arbitrary<Frame> = fc.oneof(
  { weight: 1, arbitrary: anyDataFrame },
  { weight: 1, arbitrary: anyDatagramFrame },
  { weight: 3, arbitrary: anyControlFrame },
);

import assert from 'node:assert/strict';
import type { ResetCode } from '@rozan/protocol';
import type { Carrier, CarrierLossCause } from '../carrier.ts';
import type { AttachedCarrier } from '../client-handshake.ts';
import { ClientSession } from '../client-session.ts';
import { type CarrierPlan, FixedPlan, NO_ROTATION, type RotationPolicy } from '../plan/carrier-plan.ts';
import type { SessionStream } from '../session-stream.ts';
import { createFakeRelay, type FakeRelay, type FakeRelayOptions } from './fake-dial.ts';

const TARGET = Buffer.from('target');

/** A client session, its relay, and what the session has told its owner. */
export interface ClientSetup extends FakeRelay {
  readonly client: ClientSession;
  readonly attached: { readonly carrier: Carrier; readonly atMs: number }[];
  readonly lost: { readonly carrier: Carrier; readonly cause: CarrierLossCause; readonly atMs: number }[];
  readonly suspects: { readonly carrier: Carrier; readonly atMs: number }[];
  readonly failures: unknown[];
  readonly closed: ResetCode[];
  readonly detachments: number[];
  readonly drains: number[];
}

/** Starts a session over its first carrier. */
export async function createClientSetup(
  options: FakeRelayOptions &
    Pick<AttachedCarrier, 'isSpared' | 'onFoulEnd'> & {
      rotation?: RotationPolicy;
      carriers?: number;
      plan?: CarrierPlan;
    } = {},
): Promise<ClientSetup> {
  const fake = await createFakeRelay(options);
  const { clock } = fake;
  const { rotation = NO_ROTATION, isSpared, onFoulEnd } = options;
  const first = { ...(await clock.runUntil(fake.first(), 10_000)), isSpared, onFoulEnd };
  const records = {
    attached: [] as { carrier: Carrier; atMs: number }[],
    lost: [] as { carrier: Carrier; cause: CarrierLossCause; atMs: number }[],
    suspects: [] as { carrier: Carrier; atMs: number }[],
    failures: [] as unknown[],
    closed: [] as ResetCode[],
    detachments: [] as number[],
    drains: [] as number[],
  };
  const client = new ClientSession(fake.env, first, {
    dial: async (nextAttach, signal) => ({ ...(await fake.dial(nextAttach, signal)), isSpared, onFoulEnd }),
    plan: options.plan ?? new FixedPlan(fake.env.random, { rotation, carriers: options.carriers }),
    events: {
      onAttached: (carrier) => records.attached.push({ carrier, atMs: clock.monotonicMs() }),
      onCarrierLost: (carrier, cause) => records.lost.push({ carrier, cause, atMs: clock.monotonicMs() }),
      onSuspect: (carrier) => records.suspects.push({ carrier, atMs: clock.monotonicMs() }),
      onDetached: () => records.detachments.push(clock.monotonicMs()),
      onDrain: () => records.drains.push(clock.monotonicMs()),
      onAttachFailed: (error) => records.failures.push(error),
      onClosed: (code) => records.closed.push(code),
    },
  });
  await clock.advance(100);
  return Object.assign(fake, records, { client });
}

/** Opens a stream that the relay sends back, and waits until it is there. */
export async function openEcho(setup: ClientSetup): Promise<{ stream: SessionStream; far: SessionStream }> {
  const before = setup.accepted.length;
  const stream = setup.client.session.openStream(TARGET);
  stream.write('first');
  await setup.clock.advance(200);
  const far = setup.accepted[before];
  assert.ok(far !== undefined);
  far.pipe(far);
  return { stream, far };
}

/** Reads what comes and counts it. */
export function countBytes(stream: NodeJS.ReadableStream): () => number {
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  return () => bytes;
}

import { REPLAY_ID_BYTES, type ReplayEntry } from '@rozan/protocol';

/** The handshake number `number` of a test. */
export function entryOf(number: number): ReplayEntry {
  const replayId = Buffer.alloc(REPLAY_ID_BYTES, 0xa5);
  replayId.writeUInt32BE(number, 0);
  return { replayId, receivedMs: 1_000 + number };
}

/** The number of such a handshake. */
export function numberOf(entry: ReplayEntry): number {
  return entry.replayId.readUInt32BE(0);
}

import type { CarrierLedger } from '@rozan/protocol';

/** What the choice between carriers rests on. */
export interface Lane {
  /** Whether the connection takes more bytes now. */
  readonly writable: boolean;
  /** The plaintext bytes that its next record should have. */
  readonly recordBytes: number;
  readonly ledger: Pick<CarrierLedger<unknown>, 'deliveryMs'>;
  /** Whether stream bytes may be added to what is in flight, here and elsewhere. */
  hasRoom(elsewhereBytes: number): boolean;
}

/** The lane over which `bytes` beside those in flight would arrive first; null when there is none. */
export function soonest<L extends Lane>(lanes: readonly L[], bytes: number | ((lane: L) => number)): L | null {
  const [first = null] = lanes;
  if (first === null || lanes.length === 1) return first;
  let best = first;
  let bestMs = Number.POSITIVE_INFINITY;
  for (const lane of lanes) {
    const deliveryMs = lane.ledger.deliveryMs(typeof bytes === 'number' ? bytes : bytes(lane));
    if (deliveryMs >= bestMs) continue;
    best = lane;
    bestMs = deliveryMs;
  }
  return best;
}

/**
 * The lane for the next record with bytes of streams; null when none should get one now. `waitingBytes`: all that waits to be sent, or
 * infinity for more than is known; `elsewhereBytes`: see `Lane.hasRoom`.
 *
 * The rule is that of ECF (Lim et al. 2017, "Earliest Completion First"): of the lanes with room the one that delivers the record first, but
 * not a slow one where a quick one that is full now would have delivered everything by then.
 */
export function laneForBytes<L extends Lane>(
  lanes: readonly L[],
  work: { readonly waitingBytes: number; readonly elsewhereBytes: number },
): L | null {
  const recordBytes = (lane: L) => lane.recordBytes;
  const open = lanes.filter((lane) => lane.hasRoom(work.elsewhereBytes));
  const best = soonest(open, recordBytes);
  if (best === null || open.length === lanes.length) return best;
  const quickest = soonest(lanes, recordBytes) ?? best;
  if (quickest === best) return best;
  const waitMs = quickest.ledger.deliveryMs(work.waitingBytes);
  return waitMs < best.ledger.deliveryMs(best.recordBytes) ? null : best;
}

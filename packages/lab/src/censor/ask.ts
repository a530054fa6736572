import type { Flow, FlowEvent, Scope } from './flow.ts';
import type { Truth } from './truth.ts';

/** What a condition may look at. */
export interface Sight {
  readonly flow: Flow;
  readonly event: FlowEvent;
  /** Flows that are open now, by scope and key; the same flow counts. */
  concurrent(scope: Scope, key: string): number;
  /** How often something was counted, by name and key. */
  tally(name: string, key: string): number;
  /** The hour of the day where the censor is, with fraction. */
  readonly hour: number;
}

/** A condition that can be asked. */
export type Ask = (sight: Sight) => Truth;

/** Whether a number lies in a range; an end that is missing is open. */
export function inRange(value: number, { from, to }: { from?: number | undefined; to?: number | undefined }): boolean {
  return value >= (from ?? Number.NEGATIVE_INFINITY) && value <= (to ?? Number.POSITIVE_INFINITY);
}

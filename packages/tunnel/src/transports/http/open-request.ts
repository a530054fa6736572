import type { Range } from './send-buffer.ts';

/** What a client keeps of a request that is without its whole answer. Times in milliseconds. */
export interface OpenRequest {
  readonly isPoll: boolean;
  readonly streamed: boolean;
  readonly range: Range | null;
  readonly bytes: number;
  readonly sentMs: number;
  readonly holdMs: number;
  /** When its first frame came. */
  firstMs: number | null;
  /** When a frame came before which there were few bytes, if nothing else has come since. */
  beaconMs: number | null;
  gotBytes: number;
}

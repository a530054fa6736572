import { FEW_BYTES, KEPT_UPLOADS, LEAST_SMALL_UPLOADS, MAX_LANES, MAX_UPLOADS } from './limits.ts';

/** What the lanes of a client carry. */
export interface LaneUse {
  /** Requests that wait for bytes, or get them, and how many there should be. */
  readonly polls: number;
  readonly wantedPolls: number;
  /** Bytes of the stream in each of the others. */
  readonly uploads: readonly number[];
}

/** Whether one more request may carry so many bytes. A few do not wait for others to be acknowledged, but leave lanes to those that carry many. */
export function mayUpload({ polls, wantedPolls, uploads }: LaneUse, bytes: number): boolean {
  const small = uploads.filter((each) => each < FEW_BYTES).length;
  if (bytes < FEW_BYTES) return small < Math.max(LEAST_SMALL_UPLOADS, MAX_LANES - Math.max(polls, wantedPolls) - 2);
  return uploads.length - small < Math.min(MAX_UPLOADS, Math.max(KEPT_UPLOADS, MAX_LANES - wantedPolls - 1));
}

/** Whether one more request may wait for bytes: beside others only when that leaves a lane for an upload. */
export function mayPoll({ polls, uploads }: LaneUse, idleLanes: number): boolean {
  return polls === 0 || idleLanes > (uploads.length >= KEPT_UPLOADS ? 0 : 1);
}

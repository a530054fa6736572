import { z } from 'zod';

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** What a relay says of itself each minute: how it is, and sums over everybody. Nothing of any one user. */
export const reportSchema = z.strictObject({
  /** The version of the settings that it runs by. */
  settingsVersion: count,
  programVersion: z
    .string()
    .max(40)
    .regex(/^[\w.+-]*$/),
  uptimeSeconds: count,
  /** 0 to 1 of all its cores, over the last minute. */
  cpuShare: z.number().min(0).max(1),
  memoryBytes: count,
  sessionsLive: count,
  sessionsDetached: count,
  streams: count,
  strangers: count,
  /** Since it was started. */
  bytesUp: count,
  bytesDown: count,
  isDraining: z.boolean(),
});

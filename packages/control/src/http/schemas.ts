import { ProtocolError, parseHostPort } from '@rozan/protocol';
import { z } from 'zod';
import { RELAY_BOUNDS } from '../limits.ts';
import { RELAY_STATES } from '../relays/life-cycle.ts';
import { ROLES } from './route.ts';

const KEY_CHARS = 43;

/** Text for people: one line of up to `max` characters, with something in it. */
export function lineSchema(max: number): z.ZodString {
  return z
    .string()
    .min(1)
    .max(max)
    .regex(/^[^\p{Cc}\p{Cs}]*\S[^\p{Cc}\p{Cs}]*$/u, 'one line of text');
}

/** 32 bytes in base64url; the unused bits of the last character are zero. */
export const keySchema = z
  .string()
  .length(KEY_CHARS)
  .regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/, '32 bytes in base64url');

/** The id of a relay: 16 bytes in base64url. */
export const relayIdSchema = z.string().regex(/^[A-Za-z0-9_-]{21}[AQgw]$/, 'the id of a relay');

/** The name of a relay, or its id. */
export const relayRefSchema = z.string().regex(/^[A-Za-z0-9_-]{1,40}$/, 'the name or id of a relay');

export const channelIdSchema = z.string().regex(/^[A-Za-z0-9_-]{1,32}$/, 'the id of a channel');
/** The number of a bucket, also as text. */
export const bucketNumberSchema = z.coerce
  .number()
  .int()
  .min(0)
  .max(RELAY_BOUNDS.buckets - 1);
export const nameSchema = z.string().regex(/^[A-Za-z0-9_-]{1,40}$/, 'up to 40 letters, digits, - and _');
export const countrySchema = z.string().regex(/^[A-Z]{2}$/, 'two capital letters');
export const idSchema = z.uuid();
export const roleSchema = z.enum(ROLES);
export const stateSchema = z.enum(RELAY_STATES);
/** A moment, with its zone. */
export const timeSchema = z.iso.datetime({ offset: true });
/** A secret text of ours. */
export const tokenSchema = z.string().min(1).max(100);

function isWebUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
}

/** A page or folder on the web, without a login in its URL. */
export const webUrlSchema = z.string().max(1_024).refine(isWebUrl, 'an http:// or https:// URL');

function isHostPort(text: string): boolean {
  try {
    parseHostPort(text);
    return true;
  } catch (error) {
    if (error instanceof ProtocolError) return false;
    throw error;
  }
}

/** One way to reach a relay, as server entries have it (docs/spec/server-entry.md §2). */
export const transportSchema = z.strictObject({
  transport: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/),
  addresses: z.array(z.string().max(263).refine(isHostPort, 'HOST:PORT')).min(1).max(RELAY_BOUNDS.addresses),
  params: z
    .record(z.string().max(64), z.json())
    .refine((params) => Buffer.byteLength(JSON.stringify(params)) <= RELAY_BOUNDS.paramsBytes, 'params are too long'),
});

export const transportsSchema = z.array(transportSchema).min(1).max(RELAY_BOUNDS.transports);

/** The reply of routes that have nothing to say. */
export const doneSchema = z.strictObject({ done: z.literal(true) });
export const DONE = { done: true } as const;

/** A time of the database as text, or null. */
export function timeText(time: Date): string;
export function timeText(time: Date | null): string | null;
export function timeText(time: Date | null): string | null {
  return time === null ? null : time.toISOString();
}

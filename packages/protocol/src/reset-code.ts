/**
 * Why a stream was ended before its time, as it travels in RESET and CLOSE frames (docs/spec/wire.md §6.3).
 * A number that is not listed is read as `internal`.
 */
const NUMBERS = {
  /** The application at the other end went away. */
  cancelled: 0,
  /** The destination refused the connection. */
  refused: 1,
  /** No route to the destination. */
  unreachable: 2,
  /** The destination did not answer in time. */
  'timed-out': 3,
  /** The name does not exist, or has no address. */
  'name-not-found': 4,
  /** The relay's egress guard does not allow the destination. */
  forbidden: 5,
  /** A cap of the relay is reached. */
  busy: 6,
  /** The destination reset the connection. */
  'connection-reset': 7,
  /** The session that carried the stream is lost. */
  'session-lost': 8,
  /** The relay shuts down. */
  'relay-shutdown': 9,
  /** Anything else. */
  internal: 10,
} as const;

/** Why a stream was reset. */
export type ResetCode = keyof typeof NUMBERS;

const CODES = new Map<number, ResetCode>((Object.keys(NUMBERS) as ResetCode[]).map((code) => [NUMBERS[code], code]));

/** The number that stands for `code` on the wire. */
export function resetCodeNumber(code: ResetCode): number {
  return NUMBERS[code];
}

/** The code that a number on the wire stands for. */
export function resetCodeOf(number: number): ResetCode {
  return CODES.get(number) ?? 'internal';
}

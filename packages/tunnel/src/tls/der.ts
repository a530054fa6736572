// The few forms of DER (ITU-T X.690) that a certificate is made of.

/** Tags of the forms used here. */
const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectId: 0x06,
  utf8: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** One element: tag, length, content. */
export function element(tag: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([tag]), lengthOf(content.length), content]);
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  if (length < 0x100) return Buffer.from([0x81, length]);
  return Buffer.from([0x82, length >> 8, length & 0xff]);
}

/** Elements in order. */
export function sequence(...items: readonly Buffer[]): Buffer {
  return element(TAG.sequence, Buffer.concat(items));
}

/** A set of one. */
export function setOf(item: Buffer): Buffer {
  return element(TAG.set, item);
}

/** A positive number, big-endian. */
export function positiveInteger(bytes: Buffer): Buffer {
  const firstAt = bytes.findIndex((byte) => byte !== 0);
  const trimmed = firstAt < 0 ? Buffer.from([0]) : bytes.subarray(firstAt);
  const needsZero = (trimmed[0] ?? 0) >= 0x80;
  return element(TAG.integer, needsZero ? Buffer.concat([Buffer.from([0]), trimmed]) : trimmed);
}

/** True. */
export function truth(): Buffer {
  return element(TAG.boolean, Buffer.from([0xff]));
}

/** Whole bytes as a string of bits. */
export function bitString(bytes: Buffer): Buffer {
  return element(TAG.bitString, Buffer.concat([Buffer.from([0]), bytes]));
}

/** Bytes. */
export function octets(bytes: Buffer): Buffer {
  return element(TAG.octetString, bytes);
}

/** A name such as `2.5.4.3`. */
export function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return element(TAG.objectId, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(value: number): number[] {
  const digits = [value & 0x7f];
  for (let left = Math.floor(value / 128); left > 0; left = Math.floor(left / 128))
    digits.unshift((left & 0x7f) | 0x80);
  return digits;
}

/** Text. */
export function utf8(text: string): Buffer {
  return element(TAG.utf8, Buffer.from(text));
}

/** A moment, to the second: two digits of the year before 2050, four from then on (RFC 5280 §4.1.2.5). */
export function moment(ms: number): Buffer {
  const digits = `${new Date(ms).toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`;
  return digits < '2050'
    ? element(TAG.utcTime, Buffer.from(digits.slice(2)))
    : element(TAG.generalizedTime, Buffer.from(digits));
}

/** An element with a context tag around others, as in `[0] EXPLICIT`. */
export function tagged(number: number, content: Buffer): Buffer {
  return element(0xa0 + number, content);
}

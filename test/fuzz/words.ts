/** Texts as a target's dictionary and seeds take them. */
export const words = (...texts: readonly string[]): Buffer[] => texts.map((text) => Buffer.from(text));

/** What trips readers of JSON, whatever they expect. */
export const JSON_TRAPS: readonly Buffer[] = words(
  '"__proto__":',
  'null',
  '[]',
  '{}',
  '1e999',
  '-0',
  '\\u0000',
  '\\ud800',
);

// Are these bytes uniform? Pearson's chi-square test over the 256 byte values.
const VALUES = 256;

/** The upper tail of the chi-square distribution with `freedom` degrees: how likely a statistic this large is by chance. */
export function chiSquareTail(statistic: number, freedom: number): number {
  // Wilson and Hilferty (1931): the cube root is nearly normal; good to a few per cent at 255 degrees and 1e-6.
  const spread = 2 / (9 * freedom);
  return normalTail((Math.cbrt(statistic / freedom) - (1 - spread)) / Math.sqrt(spread));
}

/** The upper tail of the normal distribution, by Simpson's rule over its density. */
function normalTail(z: number): number {
  if (z < 0) return 1 - normalTail(-z);
  const width = 12;
  const steps = 2000;
  const step = width / steps;
  const density = (x: number) => Math.exp(-(x ** 2) / 2);
  let sum = density(z) + density(z + width);
  for (let i = 1; i < steps; i += 1) sum += (i % 2 === 1 ? 4 : 2) * density(z + i * step);
  return (sum * step) / 3 / Math.sqrt(2 * Math.PI);
}

/** How likely counts as uneven as these are when each of the 256 values is equally likely. */
export function uniformTail(counts: readonly number[]): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const expected = total / VALUES;
  const statistic = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  return chiSquareTail(statistic, VALUES - 1);
}

/** What a set of byte strings looks like to someone who counts. */
export interface UniformityReport {
  /** The smallest tail of any byte position of the part that all samples have. */
  readonly worstPositionTail: number;
  readonly worstPosition: number;
  /** The tail of all bytes of all samples together. */
  readonly pooledTail: number;
}

/** Tests every byte position of the common prefix of the samples, and all their bytes pooled. */
export function testUniformity(samples: readonly Buffer[]): UniformityReport {
  const prefixBytes = Math.min(...samples.map((sample) => sample.length));
  const pooled = new Array<number>(VALUES).fill(0);
  let worst = { tail: 1, position: 0 };
  for (let position = 0; position < prefixBytes; position += 1) {
    const tail = uniformTail(countAt(samples, position));
    if (tail < worst.tail) worst = { tail, position };
  }
  for (const sample of samples) {
    for (const value of sample) pooled[value] = (pooled[value] ?? 0) + 1;
  }
  return { worstPositionTail: worst.tail, worstPosition: worst.position, pooledTail: uniformTail(pooled) };
}

function countAt(samples: readonly Buffer[], position: number): number[] {
  const counts = new Array<number>(VALUES).fill(0);
  for (const sample of samples) {
    const value = sample[position] ?? 0;
    counts[value] = (counts[value] ?? 0) + 1;
  }
  return counts;
}

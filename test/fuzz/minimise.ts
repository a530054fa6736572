/** Tries at making an input smaller that are made at most. */
const MAX_TRIES = 4000;

/** A shorter and plainer input for which `fails` still holds: blocks are left out, then bytes set to zero. */
export function minimise(input: Buffer, fails: (candidate: Buffer) => boolean): Buffer {
  let best = input;
  let tries = 0;
  const attempt = (candidate: Buffer): boolean => {
    if (++tries > MAX_TRIES || !fails(candidate)) return false;
    best = candidate;
    return true;
  };
  for (let size = best.length >> 1; size >= 1; size >>= 1) {
    for (let offset = 0; offset + size <= best.length; ) {
      const shorter = Buffer.concat([best.subarray(0, offset), best.subarray(offset + size)]);
      if (!attempt(shorter)) offset += size;
    }
  }
  for (let offset = 0; offset < best.length; offset++) {
    if (best[offset] === 0) continue;
    const plainer = Buffer.from(best);
    plainer[offset] = 0;
    attempt(plainer);
  }
  return best;
}

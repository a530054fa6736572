/** Smaller buffers share their memory with others, or are not worth the call. */
const LEAST_BYTES = 16 * 1024;

/**
 * Gives a buffer's memory back at once instead of leaving it to the garbage collector, whose work on short-lived 64 KB buffers costs more
 * than their encryption. Only for the sole owner of the whole memory: every view of it is empty afterwards.
 */
export function freeMemory({ buffer, byteLength }: Buffer): void {
  if (byteLength >= LEAST_BYTES && buffer instanceof ArrayBuffer && !buffer.detached) buffer.transfer(0);
}

/** Gives fresh random bytes. */
export type RandomBytes = (count: number) => Buffer;

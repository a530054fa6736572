/** Gives fresh random bytes. */
export type DrawBytes = (count: number) => Buffer;

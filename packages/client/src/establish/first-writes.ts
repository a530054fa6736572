/** A carrier that fell silent with fewer bytes than this may have been judged by its first 30 packets. */
const EARLY_BYTES = 30 * 1448;

/**
 * Whether carriers begin with small packets (`splittingEnv`). Some censors judge a connection by the sizes of its first packets, or by a name
 * in one of them; which they like better is not known beforehand, so it is the other way whenever one way has come to nothing.
 */
export class FirstWrites {
  #isSplit = false;

  get isSplit(): boolean {
    return this.#isSplit;
  }

  /** A carrier has fallen silent after so many bytes. */
  noteSilent({ wasSplit, bytes }: { readonly wasSplit: boolean; readonly bytes: number }): void {
    if (bytes < EARLY_BYTES) this.#isSplit = !wasSplit;
  }

  /** No way to any relay has worked. */
  noteNoWay(): void {
    this.#isSplit = !this.#isSplit;
  }
}

import { RelayError } from '../data-folder/relay-error.ts';

const NEWLINE = 0x0a;

/** Cuts bytes into lines, which end in a line feed, and never holds more than one line's bound. */
export class LineReader {
  readonly #maxBytes: number;
  #held: Buffer = Buffer.alloc(0);

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The lines that are whole now, without their ends. Throws `control-malformed` for one above the bound; the reader is of no use then. */
  receive(chunk: Buffer): readonly string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      lines.push(this.#join(chunk.subarray(start, end)).toString());
      this.#held = Buffer.alloc(0);
      start = end + 1;
    }
    this.#held = this.#join(chunk.subarray(start));
    return lines;
  }

  #join(bytes: Buffer): Buffer {
    if (this.#held.length + bytes.length > this.#maxBytes)
      throw new RelayError('control-malformed', 'a line is too long');
    return Buffer.concat([this.#held, bytes]);
  }
}

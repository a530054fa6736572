/** Puts the bytes of one direction into messages of the imitated protocol. */
export interface Framer {
  /** What goes on the wire for `bytes`, in order; may hold `bytes` themselves. */
  frame(bytes: Buffer): readonly Buffer[];
  /** What goes on the wire before the end. */
  end(): readonly Buffer[];
}

/** Takes the bytes of one direction out of the messages of the imitated protocol. */
export interface Unframer {
  /**
   * Takes the next bytes from the wire, in any pieces, and gives what they carry to `onBytes` as views of them. Throws a `TunnelError`
   * (`violation`) for what is no such message.
   */
  push(bytes: Buffer, onBytes: (bytes: Buffer) => void): void;
  /** The peer has said, in the imitated protocol, that nothing more comes. */
  readonly hasEnded: boolean;
}

/** What both directions of a connection look like. */
export interface Framing {
  readonly framer: Framer;
  readonly unframer: Unframer;
}

const NOTHING: readonly Buffer[] = [];

/** Bytes as they are. `first`: what goes before the first of them, or before the end. */
export function plainFraming(first: (bytes: Buffer) => readonly Buffer[] = (bytes) => [bytes]): Framing {
  let isFirst = true;
  return {
    framer: {
      frame: (bytes) => {
        if (!isFirst) return [bytes];
        isFirst = false;
        return first(bytes);
      },
      end: () => NOTHING,
    },
    unframer: { push: (bytes, onBytes) => onBytes(bytes), hasEnded: false },
  };
}

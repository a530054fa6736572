/** Where progress goes: a line that is written over on a terminal, and a line now and then elsewhere. */
export interface Progress {
  show(text: string): void;
  /** A line that stays. */
  say(text: string): void;
  end(): void;
}

/** A stream as far as progress needs it. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const ERASE = '\r\u001b[2K';

/** Shows progress on a stream; where it is no terminal, only what stays is written. */
export function createProgress(stream: ProgressStream): Progress {
  const isTerminal = stream.isTTY === true;
  let shown = '';
  return {
    show: (text) => {
      shown = text;
      if (isTerminal) stream.write(`${ERASE}${text}`);
    },
    say: (text) => stream.write(isTerminal ? `${ERASE}${text}\n${shown}` : `${text}\n`),
    end: () => {
      if (isTerminal) stream.write(ERASE);
    },
  };
}

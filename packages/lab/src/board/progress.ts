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
const BAR_WIDTH = 24;
/** Before so much is done, what is left is not guessed. */
const LEAST_SHARE = 0.02;

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

/** `███░░░ 42 %, some 12 min left`, from the share of the work that is done after so long. */
export function barText(share: number, elapsedMs: number): string {
  const filled = Math.floor(share * BAR_WIDTH);
  const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
  const text = `${bar} ${Math.floor(share * 100)} %`;
  if (share < LEAST_SHARE || share >= 1) return text;
  const leftSeconds = (elapsedMs / 1000) * (1 / share - 1);
  const left = leftSeconds < 60 ? 'less than a minute' : `some ${Math.round(leftSeconds / 60)} min`;
  return `${text}, ${left} left`;
}

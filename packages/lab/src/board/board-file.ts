// What a run has found, kept in a file while it goes on, so that another run can take it up.
import { readFile, rename, writeFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { EXIT_CODE, ProgramError } from '@rozan/tunnel/program';
import type { Scoreboard } from './scoreboard.ts';

/** Between two writes: a table of a thousand cells is some megabytes. */
const WRITE_EVERY_MS = 5_000;

/** Reads what a run has kept. Throws a `ProgramError` (usage) when it is of another version of the lab, or nothing of the kind. */
export async function readBoard(path: string): Promise<Scoreboard> {
  try {
    const board: Scoreboard = JSON.parse(await readFile(path, 'utf8'));
    if (board.v === 1) return board;
  } catch (cause) {
    throw new ProgramError(EXIT_CODE.usage, `${path} cannot be read as what a run of the lab keeps`, { cause });
  }
  throw new ProgramError(EXIT_CODE.usage, `${path} is not what this version of the lab writes`);
}

/** What has to be the same for two runs to be parts of one. */
export type RunKey = Pick<Scoreboard, 'commit' | 'seed' | 'scenario'>;

/** Reads what an interrupted run has kept; null when there is none. Throws a `ProgramError` (usage) when it was another run. */
export async function readInterrupted(path: string, key: RunKey): Promise<Scoreboard | null> {
  const exists = await readFile(path).then(
    () => true,
    () => false,
  );
  if (!exists) return null;
  const board = await readBoard(path);
  // What is undefined is not in a file.
  const part = ({ commit, seed, scenario }: RunKey) => JSON.parse(JSON.stringify({ commit, seed, scenario }));
  if (isDeepStrictEqual(part(board), part(key))) return board;
  throw new ProgramError(EXIT_CODE.usage, `${path} is of another commit, seed or scenario`, {
    remedy: 'Run without --resume, or name another file with --json.',
  });
}

/** Writes a board to its file as it grows; a file that is there is whole at any time. */
export class BoardFile {
  readonly #path: string;
  #lastMs = Number.NEGATIVE_INFINITY;
  #writing: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  /** Writes now and then. */
  keep(board: Scoreboard): void {
    const nowMs = performance.now();
    if (nowMs - this.#lastMs < WRITE_EVERY_MS) return;
    this.#lastMs = nowMs;
    // What a later write can mend is not worth ending a run of an hour for.
    void this.write(board).catch(() => {});
  }

  /** Writes, and resolves when that is done. */
  write(board: Scoreboard): Promise<void> {
    const text = `${JSON.stringify(board)}\n`;
    const write = async () => {
      await writeFile(`${this.#path}.new`, text);
      await rename(`${this.#path}.new`, this.#path);
    };
    this.#writing = this.#writing.then(write, write);
    return this.#writing;
  }
}

import type { CellResult } from './cell.ts';
import type { ReplayResult } from './replay-result.ts';
import type { Scenario } from './scenario-file.ts';
import { type Tally, wilson } from './statistics.ts';

/** A policy as the board names it. */
export interface PolicyHeading {
  readonly id: string;
  readonly name: string;
  readonly source: string;
  /** Why no tunnel of ours is expected to pass, where that is so. */
  readonly hopeless?: string | undefined;
}

/** A subject as the board names it. */
export interface SubjectHeading {
  readonly name: string;
  readonly family: 'ours' | 'peer';
  readonly isAdaptive: boolean;
  /** What independent engines call its traffic, by engine. */
  readonly labels: Readonly<Record<string, string>>;
}

/** What a policy did to ordinary programs: how many runs it broke. */
export interface FalsePositives {
  readonly policy: string;
  readonly activity: string;
  readonly broken: Tally;
}

/** What a policy did to traffic that it is made to hit. */
export interface Control {
  readonly policy: string;
  readonly traffic: string;
  readonly hit: Tally;
}

/** All that a run of the lab has found. */
export interface Scoreboard {
  readonly v: 1;
  readonly commit: string;
  /** RFC 3339. */
  readonly date: string;
  readonly seed: number;
  /** As it was run. */
  readonly scenario: Scenario;
  readonly tookSeconds: number;
  readonly policies: readonly PolicyHeading[];
  readonly subjects: readonly SubjectHeading[];
  readonly cells: readonly CellResult[];
  readonly falsePositives: readonly FalsePositives[];
  readonly controls: readonly Control[];
  readonly skipped: readonly { readonly name: string; readonly why: string }[];
  readonly replay: ReplayResult | null;
}

/** `58/60`. */
export function tallyText({ k, n }: Tally): string {
  return n === 0 ? '–' : `${k}/${n}`;
}

/** `97 % (89–99)`. */
export function shareText(tally: Tally): string {
  if (tally.n === 0) return '–';
  const { low, high } = wilson(tally);
  const percent = (share: number) => Math.round(share * 100);
  return `${percent(tally.k / tally.n)} % (${percent(low)}–${percent(high)})`;
}

/** The cell of a subject under a policy. */
export function cellOf(board: Scoreboard, policy: string, subject: string): CellResult | undefined {
  return board.cells.find((cell) => cell.policy === policy && cell.subject === subject);
}

/** The false positives of a policy over all activities. */
export function falsePositivesOf(board: Scoreboard, policy: string): Tally {
  const found = board.falsePositives.filter((each) => each.policy === policy);
  return {
    k: found.reduce((sum, { broken }) => sum + broken.k, 0),
    n: found.reduce((sum, { broken }) => sum + broken.n, 0),
  };
}

function cellText(cell: CellResult | undefined): string {
  if (cell === undefined) return '·';
  const { reached, survival } = cell;
  if (survival === null) return tallyText(reached);
  return `${tallyText(reached)}${survival.isWhole ? '+' : '-'}`;
}

/** The board for a terminal: policies down, subjects across. `+`/`-`: the long download came whole, or did not. */
export function formatScoreboard(board: Scoreboard): string {
  const header = ['', ...board.subjects.map(({ name }) => name), 'hit', 'benign broken'];
  const rows = board.policies.map(({ id }) => {
    const control = board.controls.find((each) => each.policy === id);
    const cells = board.subjects.map(({ name }) => cellText(cellOf(board, id, name)));
    return [id, ...cells, control ? tallyText(control.hit) : '–', tallyText(falsePositivesOf(board, id))];
  });
  const labels = ['nDPI', ...board.subjects.map((subject) => subject.labels.nDPI ?? '–'), '', ''];
  const table = [header, ...rows, labels];
  const widths = header.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const lines = table.map((row) =>
    row
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const skipped = board.skipped.map(({ name, why }) => `skipped  ${name} (${why})`);
  return [...lines, ...skipped].join('\n');
}

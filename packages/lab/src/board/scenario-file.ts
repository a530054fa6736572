import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EXIT_CODE, ProgramError } from '@rozan/tunnel/program';

/** A table of subjects and policies. */
export interface MatrixScenario {
  readonly kind: 'matrix';
  readonly title: string;
  /** Ids, or `*` for all. */
  readonly policies: readonly string[];
  readonly subjects: readonly string[];
  readonly adaptiveSessions: number;
  /** The same for the other variants of an entry of the catalogue; as many as for the first unless said. */
  readonly variantSessions?: number;
  readonly otherSessions: number;
  readonly survivalBytes: number;
  /** How often each ordinary thing is done under each policy. */
  readonly benignTimes: number;
}

/** What is asked of a phase: at least so much of `served` (the users that got something), `longDownloads`, `goodputShare`; at most of the others. */
export interface PhaseAims {
  readonly served?: number;
  readonly longDownloads?: number;
  readonly goodputShare?: number;
  readonly reconnectsPerUserHour?: number;
  readonly sessionsPerUser?: number;
  readonly backSeconds?: number;
}

/** A stretch of time with one set of rules. */
export interface Phase {
  readonly id: string;
  readonly name: string;
  readonly when: string;
  readonly seconds: number;
  readonly policies: readonly string[];
  readonly history: string;
  readonly downloadBytes: number;
  /** In bytes a second, as the site sends them; 0 for as fast as they are taken. */
  readonly downloadRate: number;
  readonly aims: PhaseAims;
}

/** Phases over one population of users. */
export interface ReplayScenario {
  readonly kind: 'replay';
  readonly title: string;
  readonly users: number;
  readonly pageEverySeconds: number;
  /** The share of users that download without end. */
  readonly downloaders: number;
  /** What in it is ours and no source's. */
  readonly ours: readonly string[];
  readonly phases: readonly Phase[];
}

/** A scenario file. */
export type Scenario = MatrixScenario | ReplayScenario;

const FOLDER = join(import.meta.dirname, 'scenarios');
const MATRIX_FIELDS = {
  title: 'string',
  policies: 'list',
  subjects: 'list',
  adaptiveSessions: 'number',
  otherSessions: 'number',
  survivalBytes: 'number',
  benignTimes: 'number',
} as const;
const REPLAY_FIELDS = {
  title: 'string',
  users: 'number',
  pageEverySeconds: 'number',
  downloaders: 'number',
  ours: 'list',
  phases: 'list',
} as const;
const PHASE_FIELDS = {
  id: 'string',
  name: 'string',
  when: 'string',
  seconds: 'number',
  policies: 'list',
  history: 'string',
  downloadBytes: 'number',
  downloadRate: 'number',
  aims: 'object',
} as const;

function broken(where: string, what: string): ProgramError {
  return new ProgramError(EXIT_CODE.usage, `the scenario ${where}: ${what}`, {
    remedy: 'docs/lab.md says what a scenario file has.',
  });
}

function expectFields(where: string, value: unknown, fields: Readonly<Record<string, string>>): void {
  if (typeof value !== 'object' || value === null) throw broken(where, 'an object is expected');
  for (const [name, kind] of Object.entries(fields)) {
    const member: unknown = Reflect.get(value, name);
    const isRight =
      kind === 'list' ? Array.isArray(member) : typeof member === kind && (kind !== 'number' || Number(member) >= 0);
    if (!isRight) throw broken(where, `"${name}" has to be a ${kind}${kind === 'number' ? ' of at least 0' : ''}`);
  }
}

/** Reads a scenario's text. Throws a `ProgramError` (usage) that says what is wrong. */
export function parseScenario(where: string, text: string): Scenario {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw broken(where, 'this is no JSON');
  }
  const kind: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'kind') : undefined;
  if (kind === 'matrix') expectFields(where, value, MATRIX_FIELDS);
  else if (kind === 'replay') {
    expectFields(where, value, REPLAY_FIELDS);
    const phases: unknown = Reflect.get(Object(value), 'phases');
    if (!Array.isArray(phases) || phases.length === 0) throw broken(where, 'there are no phases');
    for (const [index, phase] of phases.entries()) expectFields(`${where}, phase ${index + 1}`, phase, PHASE_FIELDS);
  } else throw broken(where, '"kind" is "matrix" or "replay"');
  return value as Scenario;
}

/** The names of the scenarios that come with the lab. */
export async function scenarioNames(): Promise<string[]> {
  return (await readdir(FOLDER)).map((file) => file.replace(/\.json$/, '')).sort();
}

/** Reads a scenario of the lab by its name, or one of a person's by its path. */
export async function readScenario(nameOrPath: string): Promise<Scenario> {
  const path = /[./]/.test(nameOrPath) ? nameOrPath : join(FOLDER, `${nameOrPath}.json`);
  try {
    return parseScenario(nameOrPath, await readFile(path, 'utf8'));
  } catch (cause) {
    if (cause instanceof ProgramError) throw cause;
    const names = (await scenarioNames()).join(', ');
    const remedy = `There are ${names}; or name a file (./my-censor.json).`;
    throw new ProgramError(EXIT_CODE.usage, `there is no scenario '${nameOrPath}'`, { cause, remedy });
  }
}

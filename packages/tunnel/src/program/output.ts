import type { Log, LogEvent } from '../env.ts';

/** The version of the JSON-lines contract (docs/spec/events.md); it changes when something that is there changes or goes. */
export const EVENTS_VERSION = 1;

/** Events that wait for the ready line; older ones are dropped. */
const MAX_EARLY_EVENTS = 64;

/** What a program says, as JSON lines for programs or as a few lines for a person. */
export interface Output {
  readonly log: Log;
  /** Says that the program is ready; in JSON it is the first line, and what happened before follows it. */
  ready(fields: { readonly [name: string]: unknown }): void;
  /** A line for a person; nothing in JSON. */
  say(line: string): void;
}

/** How `createOutput` writes. */
export interface OutputOptions {
  readonly json: boolean;
  readonly write: (text: string) => void;
  /** The line for a person, or null for an event that a person need not see. */
  readonly describe: (event: LogEvent) => string | null;
}

/** Makes the output of a program. */
export function createOutput(options: OutputOptions): Output {
  const { json, write, describe } = options;
  const line = (fields: object) => write(`${JSON.stringify(fields)}\n`);
  let early: LogEvent[] | null = [];
  const log: Log = (event) => {
    if (!json) {
      const text = describe(event);
      if (text !== null) write(`${text}\n`);
    } else if (early !== null) {
      early.push(event);
      if (early.length > MAX_EARLY_EVENTS) early.shift();
    } else line(event);
  };
  return {
    log,
    ready: (fields) => {
      if (!json) return;
      line({ event: 'ready', v: EVENTS_VERSION, ...fields, pid: process.pid });
      const waiting = early ?? [];
      early = null;
      for (const event of waiting) line(event);
    },
    say: (text) => {
      if (!json) write(`${text}\n`);
    },
  };
}

// What passes over the control socket: one JSON object a line, requests and replies in turn.
//
//   → {"command":"status"}
//   ← {"ok":true,"result":{…}}   or   {"ok":false,"error":"unknown command"}
import { RelayError } from '../data-folder/relay-error.ts';

/** What a command answers: an object that JSON can hold. */
export type ControlResult = { readonly [name: string]: unknown };

/** A relay's answer to a request. */
export type ControlReply =
  | { readonly ok: true; readonly result: ControlResult }
  | { readonly ok: false; readonly error: string };

const COMMAND = /^[a-z][a-z-]{0,31}$/;

function malformed(message: string): RelayError {
  return new RelayError('control-malformed', message);
}

function parseObject(line: string): { readonly [name: string]: unknown } {
  const value = parseJson(line);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformed('a line is not a JSON object');
  return Object.fromEntries(Object.entries(value));
}

/** The value, or undefined: what a parser has to say is of no use to the peer. */
function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** The command that a request line names. Throws `control-malformed`. */
export function parseRequest(line: string): string {
  const { command } = parseObject(line);
  if (typeof command !== 'string' || !COMMAND.test(command)) throw malformed('a request names no command');
  return command;
}

/** The reply on a line. Throws `control-malformed`. */
export function parseReply(line: string): ControlReply {
  const { ok, result, error } = parseObject(line);
  if (ok === true && typeof result === 'object' && result !== null && !Array.isArray(result)) {
    return { ok, result: Object.fromEntries(Object.entries(result)) };
  }
  if (ok === false && typeof error === 'string') return { ok, error };
  throw malformed('a reply is of neither form');
}

/** One message as a line. */
export function formatLine(message: ControlReply | { readonly command: string }): string {
  return `${JSON.stringify(message)}\n`;
}

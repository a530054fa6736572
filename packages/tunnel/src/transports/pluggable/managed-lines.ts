// What an executable writes to its standard output (pt-spec.txt, version 1, §3.3).
import { parseAddress } from '../../address.ts';
import { TunnelError } from '../../errors.ts';
import type { SocketAddress } from '../../network.ts';
import { type PluggableArguments, parseArguments } from './arguments.ts';
import { MAX_LINE_BYTES, MAX_REASON_CHARS, MAX_START_BYTES } from './limits.ts';

/** One method that an executable offers: where, and by which arguments clients reach it. */
export interface ManagedMethod {
  readonly address: SocketAddress;
  /** `socks4` or `socks5` of a client, empty of a server. */
  readonly protocol: string;
  readonly args: PluggableArguments;
}

/** A line that says something to us; other keywords are skipped, as the specification wants it. */
export type ManagedLine =
  | { readonly type: 'version'; readonly version: string }
  | { readonly type: 'proxy-done' }
  | { readonly type: 'method'; readonly name: string; readonly method: ManagedMethod }
  | { readonly type: 'done' }
  | { readonly type: 'failed'; readonly name: string | null; readonly reason: string }
  | { readonly type: 'other' };

/** The name of a method: a C identifier. */
export const METHOD_NAME: RegExp = /^[A-Za-z_][A-Za-z0-9_]{0,31}$/;

const OTHER: ManagedLine = { type: 'other' };

/**
 * Reads a line without its end. Throws a `TunnelError` (`violation`) for a line whose keyword promises something that the rest of it does
 * not keep.
 */
export function parseManagedLine(line: string): ManagedLine {
  const [keyword = '', ...words] = line.split(' ');
  const [first = ''] = words;
  switch (keyword) {
    case 'VERSION':
      return { type: 'version', version: first };
    case 'VERSION-ERROR':
    case 'ENV-ERROR':
    case 'PROXY-ERROR':
      return { type: 'failed', name: null, reason: showReason(words.join(' ')) };
    case 'PROXY':
      return first === 'DONE' ? { type: 'proxy-done' } : OTHER;
    case 'CMETHOD':
      return clientMethod(words);
    case 'SMETHOD':
      return serverMethod(words);
    case 'CMETHOD-ERROR':
    case 'SMETHOD-ERROR':
      return { type: 'failed', name: first, reason: showReason(words.slice(1).join(' ')) };
    case 'CMETHODS':
    case 'SMETHODS':
      return first === 'DONE' ? { type: 'done' } : OTHER;
    default:
      return OTHER;
  }
}

function clientMethod([name = '', protocol = '', address = '']: readonly string[]): ManagedLine {
  if (!METHOD_NAME.test(name) || !/^socks[45]$/.test(protocol)) throw violation();
  return { type: 'method', name, method: { address: readAddress(address), protocol, args: {} } };
}

function serverMethod([name = '', address = '', ...options]: readonly string[]): ManagedLine {
  if (!METHOD_NAME.test(name)) throw violation();
  const text = options.find((option) => option.startsWith('ARGS:'))?.slice('ARGS:'.length) ?? '';
  const args = parseArguments(text, ',');
  if (args === null) throw violation();
  return { type: 'method', name, method: { address: readAddress(address), protocol: '', args } };
}

function readAddress(text: string): SocketAddress {
  try {
    const address = parseAddress(text);
    if (address.port > 0) return address;
  } catch (cause) {
    if (!(cause instanceof TunnelError)) throw cause;
  }
  throw violation();
}

function violation(): TunnelError {
  return new TunnelError('violation', 'the executable does not speak the language of pluggable transports');
}

/** An executable's own words, short, and without anything that could be an address. */
export function showReason(text: string): string {
  return text
    .replace(/[^ -~]/g, '?')
    .replace(/\[?[0-9A-Fa-f]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*\]?(?::\d+)?|\d+\.\d+\.\d+\.\d+(?::\d+)?/g, '(address)')
    .slice(0, MAX_REASON_CHARS);
}

/** Cuts an executable's output into lines. After `drain` whatever comes is forgotten at once. */
export class ManagedLines {
  #pending = '';
  #bytes = 0;
  #isDrained = false;

  /**
   * Takes output and gives the lines that it completes, one by one: what follows the line after which nothing is of interest is not looked
   * at. Throws a `TunnelError` (`violation`) when it is too much.
   */
  *receive(chunk: Buffer): Generator<string, void, undefined> {
    if (this.#isDrained) return;
    const lines = (this.#pending + chunk.toString('latin1')).split('\n');
    this.#pending = '';
    const rest = lines.pop() ?? '';
    for (const line of lines) {
      this.#count(line, line.length + 1);
      yield line.endsWith('\r') ? line.slice(0, -1) : line;
      if (this.#isDrained) return;
    }
    this.#count(rest, 0);
    this.#pending = rest;
  }

  #count(text: string, bytes: number): void {
    this.#bytes += bytes;
    if (text.length <= MAX_LINE_BYTES && this.#bytes <= MAX_START_BYTES) return;
    this.drain();
    throw violation();
  }

  /** From now on nothing is of interest. */
  drain(): void {
    this.#isDrained = true;
    this.#pending = '';
  }
}

import { parseIpAddress } from '@rozan/protocol';

/** What stands outside of the tunnel. */
export interface BypassRules {
  /** Two capital letters (ISO 3166-1). */
  readonly country: string;
  /** Ends of names, in lower case and in ASCII: `ir` is the end of `www.example.ir`. */
  readonly names: ReadonlySet<string>;
  /** The country of an IP address, or null where nobody knows. */
  readonly countryOf: (address: string) => string | null;
}

/** `maybe`: the name is on the list, and its address decides. */
export type Route = 'tunnel' | 'maybe' | 'direct';

/** Whether a name is one of these, or lies under one. */
function isUnder(name: string, ends: ReadonlySet<string>): boolean {
  const labels = name.replace(/\.$/, '').split('.');
  return labels.some((_, i) => ends.has(labels.slice(i).join('.')));
}

/**
 * Which way a host, as `parseTarget` writes it, is reached. No name is looked up to decide that, so that a name that is not on the list is told
 * to nobody on this side.
 */
export function decideRoute(host: string, rules: BypassRules): Route {
  if (parseIpAddress(host) !== undefined) return rules.countryOf(host) === rules.country ? 'direct' : 'tunnel';
  return isUnder(host, rules.names) ? 'maybe' : 'tunnel';
}

/** What is no end of a name is left out: a person's list may have comments. */
const NAME = /^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
const MAX_NAMES = 100_000;

/** Names out of a person's list: one a line, with or without a dot or a `*.` before it; `#` begins a comment. */
export function parseNames(text: string): string[] {
  const found: string[] = [];
  for (const line of text.split('\n')) {
    const [word = ''] = line.replace(/#.*/, '').trim().toLowerCase().split(/\s/, 1);
    const name = toAscii(word.replace(/^(?:\*\.|\.)/, ''));
    if (name !== null && NAME.test(name) && found.length < MAX_NAMES) found.push(name);
  }
  return found;
}

function toAscii(name: string): string | null {
  return name === '' ? null : (URL.parse(`http://${name}/`)?.hostname ?? null);
}

import type { Env } from '@rozan/tunnel';
import type { TlsHello } from '../censor/tls-hello.ts';
import { isGrease, ja4Of, rawJa4Of } from '../classifiers/tls-fingerprint.ts';
import { captureHello, helloSenders, REFERENCE_SENDER } from './senders.ts';

/** One sender's hello, and how it differs from a browser's. */
export interface HelloRow {
  readonly name: string;
  readonly isOurs: boolean;
  readonly bytes: number;
  readonly ja4: string;
  /** The same with lists in place of hashes. */
  readonly rawJa4: string;
  readonly hasGrease: boolean;
  /** Extensions that the browser sends and this one does not, and the other way round; null where no browser was here to compare with. */
  readonly missing: readonly number[] | null;
  readonly extra: readonly number[] | null;
}

const hex = (types: readonly number[]): string =>
  types.length === 0 ? 'none' : types.map((type) => type.toString(16).padStart(4, '0')).join(' ');

const ascending = (left: number, right: number): number => left - right;

function extensionsOf({ extensions }: TlsHello): Set<number> {
  return new Set(extensions.filter((type) => !isGrease(type)));
}

/** Captures one hello of everybody on this machine, one after the other. `onMissing` hears of those that have sent none. */
export async function measureHellos(env: Env, onMissing: (name: string) => void): Promise<readonly HelloRow[]> {
  const found: { name: string; isOurs: boolean; bytes: number; hello: TlsHello }[] = [];
  for (const sender of await helloSenders(env)) {
    const captured = await captureHello(env, sender).catch(() => null);
    if (captured === null) onMissing(sender.name);
    else found.push({ ...sender, hello: captured.hello, bytes: captured.bytes.length });
  }
  const browser = found.find(({ name }) => name === REFERENCE_SENDER)?.hello;
  const expected = browser === undefined ? null : extensionsOf(browser);
  return found.map(({ name, isOurs, bytes, hello }) => {
    const sent = extensionsOf(hello);
    return {
      name,
      isOurs,
      bytes,
      ja4: ja4Of(hello),
      rawJa4: rawJa4Of(hello),
      hasGrease: [...hello.ciphers, ...hello.extensions].some(isGrease),
      missing: expected && [...expected.difference(sent)].sort(ascending),
      extra: expected && [...sent.difference(expected)].sort(ascending),
    };
  });
}

/** The rows as a table in Markdown; extensions in hexadecimal. */
export function formatHellos(rows: readonly HelloRow[]): string {
  const lines = rows.map(({ name, bytes, ja4, hasGrease, missing, extra }) => {
    const differences = [missing, extra].map((types) => (types === null ? '–' : hex(types)));
    return `| ${[name, `\`${ja4}\``, ...differences, hasGrease ? 'yes' : 'no', bytes].join(' | ')} |`;
  });
  const head = `| | JA4 | missing, beside ${REFERENCE_SENDER} | more | GREASE | bytes |`;
  return [head, '| --- | --- | --- | --- | --- | --- |', ...lines].join('\n');
}

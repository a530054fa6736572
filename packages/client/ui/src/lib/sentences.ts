import type { ClientState } from '../../../src/local-api/api-types.ts';
import type { MessageKey } from './i18n.svelte.ts';

type Text = (key: MessageKey, values?: Readonly<Record<string, string | number>>) => string;

/** What is happening, in a word or two. */
export function titleKey(state: Pick<ClientState, 'phase' | 'connection'> | null): MessageKey {
  if (state?.phase === 'connected' && state.connection?.waiting === true) return 'home.waiting.title';
  return `home.${state?.phase ?? 'off'}.title`;
}

/** What is happening, in sentences for the person. */
export function detailsOf({ phase, attempt, connection, entries }: ClientState, text: Text): string[] {
  if (phase === 'off') return [text('home.off.text')];
  if (phase === 'connected' && connection !== null) return connectedDetails(connection, text);
  const details = phase === 'blocked' ? [text('home.blocked.text', { entries: entries.total })] : [];
  if (attempt === null || attempt.ways === 0) return [...details, text('home.looking')];
  // Of a pass with 40 ways 8 may be under way, when 20 have failed before.
  details.push(text('home.trying', { trying: attempt.trying, ways: attempt.ways }));
  if (attempt.failed > 0) details.push(text('home.failed', { failed: attempt.failed }));
  return details;
}

function connectedDetails(
  { looks, cuts, waiting, rerouted }: NonNullable<ClientState['connection']>,
  text: Text,
): string[] {
  const details = waiting ? [text('home.waiting.text')] : looks.map((look) => text(`home.looks.${look}`));
  if (rerouted) details.push(text('home.rerouted'));
  if (cuts > 0) details.push(text('home.cuts', { cuts }));
  return details;
}

const FAILURES: ReadonlySet<string> = new Set([
  'refused',
  'unreachable',
  'timed-out',
  'failed',
  'bad-params',
  'relay-busy',
  'not-forwarded',
  'not-authentic',
  'session-closed',
  'name-not-found',
  'name-forged',
  'proxy-failed',
  'proxy-denied',
  'proxy-login',
]);

/** The sentence for a failure code; one that is not known counts as `failed` (docs/spec/events.md). */
export function failureKey(code: string): MessageKey {
  return `failure.${FAILURES.has(code) ? code : 'failed'}` as MessageKey;
}

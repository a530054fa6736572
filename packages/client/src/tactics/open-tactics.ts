import type { TacticsSettings } from '@rozan/protocol';
import type { Env, LimitFinder } from '@rozan/tunnel';
import type { ClientConfig } from '../client.ts';
import { latestAttestedMs, type RelayDialer } from '../establish/relay-dialer.ts';
import { TacticsKeeper, type TacticsOptions } from './tactics-keeper.ts';

/** Where a client gets tactics from, and what it takes itself to be. */
export interface ClientTactics extends Pick<TacticsOptions, 'read' | 'keys' | 'store'> {
  /** Two capital letters; null where it does not know. */
  readonly country: string | null;
  /** The number of the autonomous system that it is in; null where it does not know. */
  readonly asn: number | null;
  /** Channels that it has, beside those that its entries name. */
  readonly channels?: readonly string[] | undefined;
}

/** What the user has set stays as it is, whatever tactics say. */
function ownSettings({ adaptive, carriers }: ClientConfig): ReadonlySet<keyof TacticsSettings> {
  const isBounded = Number.isFinite(carriers?.perAddress ?? Number.POSITIVE_INFINITY);
  return new Set<keyof TacticsSettings>([
    ...(adaptive ? [] : (['cutAfterMs', 'bytesUntilCut', 'carriers', 'mostCarriers', 'canaryShare'] as const)),
    ...(isBounded ? (['carriersPerAddress'] as const) : []),
  ]);
}

/** Opens the tactics of a client, if it has any; what they say of limits goes to the finder. */
export async function openTactics(
  env: Env,
  config: ClientConfig,
  { finder, dialers }: { readonly finder: LimitFinder; readonly dialers: readonly RelayDialer[] },
): Promise<TacticsKeeper | null> {
  const { tactics, entries } = config;
  if (tactics === undefined) return null;
  const { country, asn, channels: own = [], ...source } = tactics;
  const channels = new Set([...own, ...entries.flatMap(({ channel }) => channel ?? [])]);
  return await TacticsKeeper.open(env, {
    ...source,
    facts: { country, asn, channels: [...channels] },
    entriesIssuedMs: entries.length === 0 ? null : Math.max(...entries.map(({ issuedMs }) => issuedMs)),
    attestedMs: () => latestAttestedMs(dialers),
    own: ownSettings(config),
    onSettings: ({ cutAfterMs = null, bytesUntilCut = null }) =>
      finder.suggest({ ageMs: cutAfterMs, bytes: bytesUntilCut }),
  });
}

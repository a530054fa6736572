import { createHmac } from 'node:crypto';
import type { Tactics, TacticsCondition, TacticsRule } from './tactics.ts';

const DRAW_DOMAIN = Buffer.from('rozan tactics draw\0', 'latin1');
const DRAW_BYTES = 6;

/** What a client takes itself to be. */
export interface TacticsFacts {
  /** Null where it does not know. */
  readonly country: string | null;
  readonly asn: number | null;
  /** The channels of its server entries. */
  readonly channels: readonly string[];
}

/** What of a rule's condition does not fit; nothing where the rule does. */
export function misfits({ country, asn, channel }: TacticsCondition, facts: TacticsFacts): (keyof TacticsCondition)[] {
  const fitting = {
    country: country === undefined || (facts.country !== null && country.includes(facts.country)),
    asn: asn === undefined || (facts.asn !== null && asn.includes(facts.asn)),
    channel: channel === undefined || facts.channels.some((name) => channel.includes(name)),
  };
  return (['country', 'asn', 'channel'] as const).filter((name) => !fitting[name]);
}

/** A network says more than a country, a country more than a channel. */
function specificity({ asn, country, channel }: TacticsCondition): number {
  return (asn === undefined ? 0 : 4) + (country === undefined ? 0 : 2) + (channel === undefined ? 0 : 1);
}

/** The rules that fit, the most specific first; of equals the one that stands first. */
export function fittingRules({ rules }: Pick<Tactics, 'rules'>, facts: TacticsFacts): TacticsRule[] {
  const fitting = rules.filter(({ when }) => misfits(when, facts).length === 0);
  return fitting.sort((a, b) => specificity(b.when) - specificity(a.when));
}

/**
 * What a client draws for a rule: a number from 0 to below 1 that is the same whenever this client (its salt) asks for the same rule of the
 * same document, and says nothing of what others draw, or of what it draws for other rules.
 */
export function drawRule(salt: Buffer, digest: string, ruleId: string): number {
  const mac = createHmac('sha256', salt).update(DRAW_DOMAIN).update(`${digest} ${ruleId}`).digest();
  return mac.readUIntBE(0, DRAW_BYTES) / 2 ** (8 * DRAW_BYTES);
}

/** The rule that a client takes: of those that fit the first for which its draw is below the probability; null for none. */
export function selectRule(tactics: Tactics, facts: TacticsFacts, salt: Buffer): TacticsRule | null {
  const takes = ({ id, probability }: TacticsRule) => drawRule(salt, tactics.digest, id) < probability;
  return fittingRules(tactics, facts).find(takes) ?? null;
}

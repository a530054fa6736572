import {
  fittingRules,
  misfits,
  type Tactics,
  type TacticsCondition,
  type TacticsFacts,
  type TacticsRule,
} from '@rozan/protocol';
import { describeSettings } from './describe-tactics.ts';

/** What becomes of one rule for one kind of client. */
export interface RuleOutcome {
  readonly id: string;
  /** What does not fit; empty where the rule does. */
  readonly misfits: readonly (keyof TacticsCondition)[];
  /** Which share of such clients takes it. */
  readonly share: number;
}

/** What becomes of each rule, those that fit first, in the order in which they are looked at. */
export function ruleOutcomes(tactics: Tactics, facts: TacticsFacts): RuleOutcome[] {
  let left = 1;
  const fitting = fittingRules(tactics, facts).map(({ id, probability }): RuleOutcome => {
    const share = left * probability;
    left -= share;
    return { id, misfits: [], share };
  });
  const others = tactics.rules.flatMap(({ id, when }) => {
    const reasons = misfits(when, facts);
    return reasons.length === 0 ? [] : [{ id, misfits: reasons, share: 0 }];
  });
  return [...fitting, ...others];
}

const percent = (share: number): string => `${Number((100 * share).toFixed(2))} %`;
const time = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z');

function describeCondition({ country, asn, channel }: TacticsCondition): string {
  const parts = [
    country === undefined ? null : `country ${country.join(' or ')}`,
    asn === undefined ? null : `network ${asn.map((number) => `AS${number}`).join(' or ')}`,
    channel === undefined ? null : `channel ${channel.join(' or ')}`,
  ].filter((part) => part !== null);
  return parts.length === 0 ? 'everywhere' : parts.join(', ');
}

/** A document in plain words. */
export function describeDocument(tactics: Tactics): string {
  const { digest, issuedMs, expiresMs, ttlMs, rules } = tactics;
  const head = [
    `Tactics ${digest}`,
    `issued ${time(issuedMs)}, valid until ${time(expiresMs)}; clients look again after ${ttlMs / 1000} s`,
  ];
  const describeRule = ({ id, when, probability, set }: TacticsRule) => {
    const who = probability === 1 ? 'all clients' : `${percent(probability)} of the clients`;
    const settings = describeSettings(set);
    const lines = settings.length === 0 ? ['Leaves everything as it is.'] : settings;
    return [`${id}: ${describeCondition(when)}; ${who}`, ...lines.map((line) => `  ${line}`)];
  };
  return [...head, ...(rules.length === 0 ? ['No rules.'] : rules.flatMap(describeRule))].join('\n');
}

const REASONS = { country: 'another country', asn: 'another network', channel: 'another channel' } as const;
const UNKNOWN = {
  country: 'the country is not known (--country)',
  asn: 'the network is not known (--asn)',
  channel: 'the channel is not known (--channel)',
} as const;

/** Which rules a kind of client takes, and why not the others, in plain words. */
export function describeOutcomes(tactics: Tactics, facts: TacticsFacts): string {
  const isUnknown = { country: facts.country === null, asn: facts.asn === null, channel: facts.channels.length === 0 };
  const outcomes = ruleOutcomes(tactics, facts);
  const none = 1 - outcomes.reduce((sum, { share }) => sum + share, 0);
  const lines = outcomes.map(({ id, misfits: reasons, share }) => {
    if (reasons.length > 0) {
      return `${id}: does not fit: ${reasons.map((name) => (isUnknown[name] ? UNKNOWN : REASONS)[name]).join(', ')}`;
    }
    if (share === 0) return `${id}: fits, but all such clients take one that says more exactly where it holds`;
    const settings = tactics.rules.find((rule) => rule.id === id)?.set ?? {};
    const who = share === 1 ? 'applies' : `applies to ${percent(share)} of such clients, drawn by each for itself`;
    return [`${id}: ${who}`, ...describeSettings(settings).map((line) => `  ${line}`)].join('\n');
  });
  if (none > 1e-9) lines.push(none === 1 ? 'No rule applies.' : `No rule applies to the other ${percent(none)}.`);
  return lines.join('\n');
}

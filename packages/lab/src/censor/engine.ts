// The rule engine: events in, verdicts out. It opens no sockets, sets no timers and draws only what it is handed, so that the same events and the
// same seed give the same verdicts, in memory, between real programs, and over a capture.
import type { Random } from '@rozan/tunnel';
import type { Sight } from './ask.ts';
import { type CompiledRule, compileRule } from './compiled-rule.ts';
import { type FlowEvent, type Scope, scopeKey, type Tuple, tupleKey } from './flow.ts';
import { FlowTable, type TrackedFlow } from './flow-table.ts';
import { forgeAnswer } from './forge.ts';
import { Policer } from './policer.ts';
import type { Policy } from './policy-file.ts';
import { Residuals } from './residuals.ts';
import { type Judged, type Outcome, PASS, type ProbeOrder, type Verdict, type VerdictLine } from './verdict.ts';

/** What the engine is handed. */
export interface EngineOptions {
  readonly random: Pick<Random, 'fraction'>;
  /** Whether what is too fast waits (a middlebox over byte streams) or is lost (packets). */
  readonly tooFast: 'waits' | 'lost';
  /** The hour of the day, with fraction, at 0 ms of the events' clock; 12 unless said. */
  readonly startHour?: number | undefined;
  /** Told of every verdict that is not a mere pass. */
  readonly onVerdict?: ((line: VerdictLine) => void) | undefined;
}

const HOUR_MS = 3_600_000;
const NOON = 12;

/** How often a policy's rules have done something. */
export interface EngineCounts {
  readonly flows: number;
  /** Flows on which some rule has acted. */
  readonly acted: number;
}

/** A censor's head. */
export class CensorEngine {
  readonly #options: EngineOptions;
  readonly #flows = new FlowTable();
  readonly #residuals = new Residuals();
  readonly #policer = new Policer();
  readonly #tallies = new Map<string, number>();
  #rules: readonly CompiledRule[];
  #acted = 0;

  constructor(policies: readonly Policy[], options: EngineOptions) {
    this.#options = options;
    this.#rules = compileAll(policies);
  }

  get counts(): EngineCounts {
    return { flows: this.#flows.opened, acted: this.#acted };
  }

  /** Other policies from now on, for flows that are open too. What is remembered of tuples and counted stays; what was done to a flow is lifted unless it was ended. */
  setPolicies(policies: readonly Policy[]): void {
    this.#rules = compileAll(policies);
    for (const tracked of this.#flows.all()) tracked.lift();
  }

  /** Judges an event. Events come in the order of their times. */
  judge(event: FlowEvent): Verdict {
    const tracked = this.#flows.take(event);
    const probes: ProbeOrder[] = [];
    const judged = this.#outcome(tracked, event, probes);
    const delayMs = judged.outcome.act === 'pass' ? this.#delayOf(tracked, event) : 0;
    this.#tell(tracked, event, judged, { delayMs, probes });
    const recheckAtMs = tracked.fate === null ? this.#nextAge(tracked, event.atMs) : null;
    if (event.kind === 'close') this.#flows.close(event.tuple);
    return { ...judged, delayMs, recheckAtMs, probes };
  }

  /** Remembers a tuple from outside: what an active prober has found. */
  block(order: Pick<ProbeOrder, 'tuple' | 'block' | 'cause'>, atMs: number): void {
    const block = { ...order.block, direction: 'both', how: 'drop', renew: 'no' } as const;
    this.#residuals.remember(block, order.tuple, { atMs, cause: order.cause });
  }

  #outcome(tracked: TrackedFlow, event: FlowEvent, probes: ProbeOrder[]): Judged {
    if (event.kind === 'close') return { outcome: PASS, cause: null };
    const remembered = this.#residuals.find(event);
    if (remembered?.block.renew === 'on-offence' && tracked.fate === null) {
      for (const rule of this.#rules) this.#ask(tracked, rule, { event, probes });
    }
    if (remembered !== null && (remembered.madeBy !== tupleKey(event.tuple) || tracked.fate === null)) {
      const { direction, how } = remembered.block;
      const outcome: Outcome =
        how === 'reset' ? { act: 'reset', ends: 'both' } : { act: 'drop', scope: 'flow', ways: direction };
      return { outcome, cause: remembered.cause };
    }
    if (tracked.fate === null) for (const rule of this.#rules) this.#ask(tracked, rule, { event, probes });
    const { fate } = tracked;
    if (fate?.outcome.act === 'forge') tracked.fate = afterForging(fate, event.tuple);
    if (fate !== null && concerns(fate.outcome, event)) return fate;
    if (event.kind !== 'data') return { outcome: PASS, cause: null };
    return this.#standing(tracked, event);
  }

  #ask(tracked: TrackedFlow, rule: CompiledRule, { event, probes }: { event: FlowEvent; probes: ProbeOrder[] }): void {
    if (tracked.settled.has(rule)) return;
    if (rule.ask(this.#sightOf(tracked, event)) !== true) return;
    // Every query gets an answer of its own.
    if (rule.action.forge?.dns === undefined) tracked.settled.add(rule);
    if (rule.chance !== undefined && this.#options.random.fraction() >= rule.chance) return;
    this.#act(tracked, rule, { event, probes });
  }

  #act(tracked: TrackedFlow, rule: CompiledRule, { event, probes }: { event: FlowEvent; probes: ProbeOrder[] }): void {
    const { cause, action } = rule;
    const { tuple, atMs } = event;
    if (action.tally !== undefined) {
      const key = `${action.tally.name} ${scopeKey(action.tally.per, tuple)}`;
      this.#tallies.set(key, (this.#tallies.get(key) ?? 0) + 1);
    }
    if (action.block !== undefined) this.#residuals.remember(action.block, tuple, { atMs, cause });
    if (action.police !== undefined || action.lose !== undefined || action.delay !== undefined)
      tracked.standing.push(rule);
    if (action.probe !== undefined) {
      const { battery, per, seconds } = action.probe;
      const [payload = Buffer.alloc(0)] = tracked.flow.client.payloads;
      probes.push({ battery, tuple, payload, block: { per, seconds }, cause });
    }
    const outcome = fateOf(rule, tracked);
    if (outcome !== null && tracked.fate === null) tracked.fate = { outcome, cause };
    if (action.tally === undefined || Object.keys(action).length > 1) this.#count(tracked);
  }

  /** What rates and losses make of a packet. */
  #standing(tracked: TrackedFlow, event: FlowEvent): Judged {
    for (const { action, cause } of tracked.standing) {
      const { lose, police } = action;
      if (lose !== undefined && isMeant(lose.direction, event) && this.#options.random.fraction() < lose.share) {
        return { outcome: { act: 'drop', scope: 'packet', ways: lose.direction }, cause };
      }
      if (police === undefined || !isMeant(police.direction, event)) continue;
      const scope = police.per === 'flow' ? tupleKey(event.tuple) : scopeKey(police.per, event.tuple);
      const holds = this.#options.tooFast === 'waits' && event.tuple.transport === 'tcp';
      const packet = { from: event.from, bytes: event.payload.length, atMs: event.atMs, holds };
      const waitMs = this.#policer.ask(`${cause.policy} ${cause.rule} ${scope}`, police, packet);
      if (waitMs > 0) return { outcome: { act: 'police', waitMs }, cause };
    }
    return { outcome: PASS, cause: null };
  }

  #delayOf(tracked: TrackedFlow, event: FlowEvent): number {
    let ms = 0;
    for (const { action } of tracked.standing) {
      if (action.delay !== undefined && isMeant(action.delay.direction, event)) ms += action.delay.ms;
    }
    return ms;
  }

  #nextAge(tracked: TrackedFlow, nowMs: number): number | null {
    let next = Number.POSITIVE_INFINITY;
    for (const rule of this.#rules) {
      if (tracked.settled.has(rule)) continue;
      for (const age of rule.ages) {
        const dueMs = tracked.flow.openedMs + age;
        if (dueMs > nowMs) next = Math.min(next, dueMs);
      }
    }
    return Number.isFinite(next) ? next : null;
  }

  #sightOf({ flow }: TrackedFlow, event: FlowEvent): Sight {
    const { startHour = NOON } = this.#options;
    return {
      flow,
      event,
      concurrent: (scope: Scope, key: string) => this.#flows.concurrent(scope, key),
      tally: (name: string, key: string) => this.#tallies.get(`${name} ${key}`) ?? 0,
      hour: (startHour + event.atMs / HOUR_MS) % 24,
    };
  }

  #count(tracked: TrackedFlow): void {
    if (tracked.hasActed) return;
    tracked.hasActed = true;
    this.#acted += 1;
  }

  #tell(
    tracked: TrackedFlow,
    event: FlowEvent,
    { outcome, cause }: Judged,
    { delayMs, probes }: { readonly delayMs: number; readonly probes: readonly ProbeOrder[] },
  ): void {
    if (cause !== null) this.#count(tracked);
    const { onVerdict } = this.#options;
    if (onVerdict === undefined) return;
    const line = { atMs: event.atMs, flow: tracked.number, packet: tracked.packets };
    if (cause !== null) onVerdict({ ...line, act: outcome.act, ...cause });
    if (delayMs > 0) {
      const slow = tracked.standing.find(({ action }) => action.delay !== undefined);
      if (slow !== undefined) onVerdict({ ...line, act: 'delay', ...slow.cause });
    }
    for (const probe of probes) onVerdict({ ...line, act: 'probe', ...probe.cause });
  }

  /** Tuples that are remembered. */
  get residualCount(): number {
    return this.#residuals.size;
  }

  /** What the engine knows of a flow; for places that want to tell about it. */
  find(tuple: Tuple): TrackedFlow | undefined {
    return this.#flows.find(tuple);
  }
}

function compileAll(policies: readonly Policy[]): CompiledRule[] {
  return policies.flatMap((policy) => policy.rules.map((rule) => compileRule(policy.id, rule)));
}

function isMeant(direction: 'up' | 'down' | 'both', event: FlowEvent): boolean {
  return direction === 'both' || (direction === 'up') === (event.from === 'client');
}

/** Whether a flow's fate is one of this packet: what is dropped one way passes the other. */
function concerns(outcome: Outcome, event: FlowEvent): boolean {
  return outcome.act !== 'drop' || event.kind === 'tick' || isMeant(outcome.ways, event);
}

function fateOf({ action }: CompiledRule, { flow }: TrackedFlow): Outcome | null {
  if (action.forge !== undefined) return forgeAnswer(action.forge, flow);
  if (action.reset !== undefined) return { act: 'reset', ends: action.reset };
  if (action.drop !== undefined) return { act: 'drop', scope: 'flow', ways: action.drop };
  return null;
}

/** What becomes of a flow once its client has got a forged answer. Datagrams stand each for itself. */
function afterForging({ outcome, cause }: Judged, { transport }: Tuple): Judged | null {
  if (outcome.act !== 'forge' || outcome.afterwards === 'pass' || transport === 'udp') return null;
  if (outcome.afterwards === 'reset') return { outcome: { act: 'reset', ends: 'both' }, cause };
  return { outcome: { act: 'drop', scope: 'flow', ways: 'both' }, cause };
}

import type { CompiledRule } from './compiled-rule.ts';
import { Flow, type FlowEvent, type Scope, scopeKey, type Tuple, tupleKey } from './flow.ts';
import type { Judged } from './verdict.ts';

/** A flow, and what the censor has decided about it. */
export class TrackedFlow {
  readonly flow: Flow;
  /** From 1, in the order in which flows began. */
  readonly number: number;
  /** Rules that have answered yes, whether or not they then acted. */
  readonly settled = new Set<CompiledRule>();
  /** Rules whose rates, losses and delays hold for this flow. */
  readonly standing: CompiledRule[] = [];
  /** How it ends, once that is decided. */
  fate: Judged | null = null;
  hasActed = false;
  /** Events so far. */
  packets = 0;

  constructor(flow: Flow, number: number) {
    this.flow = flow;
    this.number = number;
  }

  /** Takes back what holds for the flow; a reset cannot be. */
  lift(): void {
    this.settled.clear();
    this.standing.length = 0;
    if (this.fate?.outcome.act !== 'reset') this.fate = null;
  }
}

/** So many flows are known at once; the oldest is forgotten. */
const MAX_FLOWS = 100_000;
const COUNTED: readonly Scope[] = ['server', 'server-port', 'client', 'client-server', '3-tuple'];

/** The flows that are open. */
export class FlowTable {
  readonly #flows = new Map<string, TrackedFlow>();
  readonly #open = new Map<string, number>();
  /** Flows so far. */
  opened = 0;

  /** The flow of an event, which is told of it; a new one where there is none. */
  take(event: FlowEvent): TrackedFlow {
    const key = tupleKey(event.tuple);
    const tracked = this.#flows.get(key) ?? this.#begin(key, event);
    tracked.packets += 1;
    tracked.flow.take(event);
    return tracked;
  }

  find(tuple: Tuple): TrackedFlow | undefined {
    return this.#flows.get(tupleKey(tuple));
  }

  /** Flows that are open now within a scope. */
  concurrent(scope: Scope, key: string): number {
    return this.#open.get(`${scope} ${key}`) ?? 0;
  }

  all(): Iterable<TrackedFlow> {
    return this.#flows.values();
  }

  close(tuple: Tuple): void {
    const key = tupleKey(tuple);
    if (this.#flows.delete(key)) this.#count(tuple, -1);
  }

  #begin(key: string, event: FlowEvent): TrackedFlow {
    this.opened += 1;
    const tracked = new TrackedFlow(new Flow(event.tuple, event.atMs), this.opened);
    this.#flows.set(key, tracked);
    this.#count(event.tuple, 1);
    const [oldest] = this.#flows.values();
    if (this.#flows.size > MAX_FLOWS && oldest !== undefined) this.close(oldest.flow.tuple);
    return tracked;
  }

  #count(tuple: Tuple, change: number): void {
    for (const scope of COUNTED) {
      const key = `${scope} ${scopeKey(scope, tuple)}`;
      const count = (this.#open.get(key) ?? 0) + change;
      if (count > 0) this.#open.set(key, count);
      else this.#open.delete(key);
    }
  }
}

import { type FlowEvent, type Scope, scopeKey, type Tuple, tupleKey } from './flow.ts';
import type { Action } from './schema.ts';

type Block = NonNullable<Action['block']>;

/** Something that is remembered of a tuple, and until when. */
export interface Residual {
  readonly block: Omit<Block, 'per' | 'seconds'>;
  readonly lastsMs: number;
  /** Which rule has put it there. */
  readonly cause: { readonly policy: string; readonly rule: string };
  /** The flow for which it was made; it has its own verdict. */
  readonly madeBy: string;
  untilMs: number;
}

const MS = 1000;
/** A censor's memory is bounded: the oldest goes. */
const MAX_RESIDUALS = 100_000;
const SCOPES: readonly Scope[] = ['server', 'server-port', 'client', 'client-server', '3-tuple', '4-tuple'];

/** What a censor remembers of tuples for some time. */
export class Residuals {
  readonly #byKey = new Map<string, Residual>();

  get size(): number {
    return this.#byKey.size;
  }

  remember(
    block: Block,
    tuple: Tuple,
    { atMs, cause }: { readonly atMs: number; readonly cause: Residual['cause'] },
  ): void {
    const { per, seconds, ...rest } = block;
    const lastsMs = seconds * MS;
    const key = `${per} ${scopeKey(per, tuple)}`;
    this.#byKey.delete(key);
    this.#byKey.set(key, { block: rest, lastsMs, cause, madeBy: tupleKey(tuple), untilMs: atMs + lastsMs });
    const [oldest] = this.#byKey.keys();
    if (this.#byKey.size > MAX_RESIDUALS && oldest !== undefined) this.#byKey.delete(oldest);
  }

  /** What is remembered that holds for this packet; renews it where its rule says so. */
  find(event: FlowEvent): Residual | null {
    if (this.#byKey.size === 0) return null;
    for (const scope of SCOPES) {
      const key = `${scope} ${scopeKey(scope, event.tuple)}`;
      const residual = this.#byKey.get(key);
      if (residual === undefined) continue;
      if (event.atMs >= residual.untilMs) {
        this.#byKey.delete(key);
        continue;
      }
      const { renew, direction } = residual.block;
      const isMeant = direction === 'both' || (direction === 'up') === (event.from === 'client');
      if (!isMeant) continue;
      const isUse = event.kind === 'open' || event.kind === 'data';
      const isRenewedByRepeat = renew === 'on-repeat' || renew === 'on-offence';
      if (isUse && (renew === 'on-use' || (isRenewedByRepeat && event.isRepeat === true))) {
        residual.untilMs = event.atMs + residual.lastsMs;
      }
      return residual;
    }
    return null;
  }
}

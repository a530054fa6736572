import {
  judgeTactics,
  ProtocolError,
  type ProtocolErrorCode,
  parseTactics,
  selectRule,
  type Tactics,
  type TacticsFacts,
  type TacticsRule,
  type TacticsSettings,
} from '@rozan/protocol';
import type { CancelTimer, Env } from '@rozan/tunnel';
import type { MemoryStore } from '../establish/way-memory.ts';
import { TACTICS_RETRY_MS } from '../limits.ts';
import { formatTacticsState, parseTacticsState, SALT_BYTES, type TacticsState } from './tactics-state.ts';

/** Why tactics were not taken. */
export type TacticsRefusal = ProtocolErrorCode | 'unreadable' | 'older' | 'rewritten';

/** What a client needs to have tactics. */
export interface TacticsOptions {
  /** Reads the document, of which more than the longest there is need not be read; null where none was published, rejects when it cannot be read. */
  readonly read: () => Promise<Buffer | null>;
  /** Ed25519 public keys, 32 bytes each: who may sign. */
  readonly keys: readonly Buffer[];
  readonly facts: TacticsFacts;
  /** Where the last document is kept; without, an older one is taken after a restart, and everything is drawn anew. */
  readonly store: MemoryStore | null;
  /** The latest time of issue of the client's server entries, in ms since 1970; null without any. */
  readonly entriesIssuedMs: number | null;
  /** The time that relays have told, in ms since 1970; null before one has. */
  readonly attestedMs: () => number | null;
  /** What the user has set, on which tactics have no say. */
  readonly own: ReadonlySet<keyof TacticsSettings>;
  /** Told when the settings have changed. */
  readonly onSettings: (settings: TacticsSettings) => void;
}

/** Has the tactics that hold for this client, looks for newer ones, and never goes back to older ones (docs/spec/tactics.md §5). */
export class TacticsKeeper implements Disposable {
  readonly #env: Env;
  readonly #options: TacticsOptions;
  #state: TacticsState;
  #tactics: Tactics | null = null;
  #rule: TacticsRule | null = null;
  #settings: TacticsSettings = {};
  /** What has been told last, so that nothing is told twice. */
  #told = '';
  #complaint: TacticsRefusal | null = null;
  #cancelTimer: CancelTimer = () => {};
  #isOver = false;

  private constructor(env: Env, options: TacticsOptions, state: TacticsState) {
    this.#env = env;
    this.#options = options;
    this.#state = state;
  }

  /** Takes what was kept, then what is to be read now. What cannot be taken is told by an event. */
  static async open(env: Env, options: TacticsOptions): Promise<TacticsKeeper> {
    const text = (await options.store?.read().catch(() => null)) ?? null;
    const kept = text === null ? null : parseTacticsState(text);
    const keeper = new TacticsKeeper(env, options, kept ?? { salt: env.random.bytes(SALT_BYTES), document: null });
    keeper.#takeKept();
    await keeper.refresh();
    // A client may have no newer document than the one it has kept.
    if (keeper.#told === '') keeper.judge();
    keeper.#refreshLater();
    return keeper;
  }

  /** What tactics say, but for what the user has set; the same object for as long as nothing changes. */
  get settings(): TacticsSettings {
    return this.#settings;
  }

  /** One that another key has signed, or that was damaged, is as good as none. */
  #takeKept(): void {
    const { document } = this.#state;
    if (document === null) return;
    try {
      this.#tactics = parseTactics(document, this.#options.keys);
    } catch {
      this.#state = { ...this.#state, document: null };
    }
  }

  /** Looks for a newer document. Never rejects. */
  async refresh(): Promise<void> {
    const read = await this.#options.read().then(
      (bytes) => ({ bytes }),
      () => null,
    );
    if (this.#isOver || read?.bytes === null) return;
    const refusal = read === null ? 'unreadable' : await this.#take(read.bytes);
    if (refusal !== null && refusal !== this.#complaint) {
      this.#env.log({ event: 'tactics.refused', code: refusal, kept: this.#tactics?.digest ?? null });
    }
    this.#complaint = refusal;
    if (refusal === null) this.judge();
  }

  async #take(bytes: Buffer): Promise<TacticsRefusal | null> {
    let tactics: Tactics;
    try {
      tactics = parseTactics(bytes, this.#options.keys);
    } catch (error) {
      return error instanceof ProtocolError ? error.code : 'malformed';
    }
    const before = this.#tactics;
    if (before !== null && tactics.digest === before.digest) return null;
    if (before !== null && tactics.issuedMs < before.issuedMs) return 'older';
    if (before !== null && tactics.issuedMs === before.issuedMs) return 'rewritten';
    this.#tactics = tactics;
    this.#state = { ...this.#state, document: bytes };
    // Before it has any effect: a client that was killed must not go back to the one before.
    await this.#options.store?.write(formatTacticsState(this.#state)).catch(() => {
      this.#env.log({ event: 'memory.unwritable' });
    });
    return null;
  }

  /** Selects the rule that holds now, and tells of it when something has changed. To be called, too, when a relay has told the time. */
  judge(): void {
    const tactics = this.#tactics;
    if (tactics === null || this.#isOver) return;
    const { facts, own, entriesIssuedMs, attestedMs, onSettings } = this.#options;
    const rule = selectRule(tactics, facts, this.#state.salt);
    if (rule !== this.#rule) {
      this.#rule = rule;
      const isTheirs = ([name]: readonly [string, unknown]) => ![...own].some((other) => other === name);
      this.#settings = Object.freeze(Object.fromEntries(Object.entries(rule?.set ?? {}).filter(isTheirs)));
      onSettings(this.#settings);
    }
    const times = { attestedMs: attestedMs(), issuedMs: entriesIssuedMs, systemMs: this.#env.clock.wallMs() };
    const validity = judgeTactics(tactics, times);
    const told = `${tactics.digest} ${validity}`;
    if (told === this.#told) return;
    this.#told = told;
    const { digest } = tactics;
    this.#env.log({ event: 'tactics', digest, rule: rule?.id ?? null, validity, set: { ...this.#settings } });
  }

  #refreshLater(): void {
    const ttlMs = this.#complaint === null ? (this.#tactics?.ttlMs ?? TACTICS_RETRY_MS) : TACTICS_RETRY_MS;
    // Clients that have started together must not ask together for ever.
    const delayMs = ttlMs * (0.75 + 0.25 * this.#env.random.fraction());
    this.#cancelTimer = this.#env.clock.setTimer(delayMs, () => {
      this.refresh()
        .catch(() => {})
        .finally(() => {
          if (!this.#isOver) this.#refreshLater();
        });
    });
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#cancelTimer();
  }
}

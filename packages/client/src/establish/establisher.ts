import { entryValidity, type TacticsSettings } from '@rozan/protocol';
import { type AttachedCarrier, backoffMs, type Env, sleep, TunnelError } from '@rozan/tunnel';
import {
  FIRST_PATIENCE_MS,
  HEAD_START_WAYS,
  MOST_PATIENCE_MS,
  RACE_PACE,
  REFRESH_MS,
  ROUND_BACKOFF,
  ROUND_MS,
  WANTED_REGION_WAYS,
} from '../limits.ts';
import type { RelaySession } from '../relay-session.ts';
import { Account } from './account.ts';
import { CandidateRace, type RacePace, type Stages } from './candidate-race.ts';
import type { Candidate } from './candidates.ts';
import type { DialLimits } from './dial-limits.ts';
import { type AttemptFailure, codeOf, type Phase } from './failures.ts';
import type { FirstWrites } from './first-writes.ts';
import { hostOf, latestAttestedMs, type RelayDialer } from './relay-dialer.ts';
import { checkBothWays } from './two-way-check.ts';
import { shuffled, type WayMemory } from './way-memory.ts';

/** How establishment is set up. */
export interface EstablisherOptions {
  /** One per relay. */
  readonly dialers: readonly RelayDialer[];
  readonly memory: WayMemory;
  readonly limits: DialLimits;
  readonly firstWrites: FirstWrites;
  readonly createSession: (dialer: RelayDialer, first: AttachedCarrier) => RelaySession;
  readonly onFailure: (failure: AttemptFailure) => void;
  /** Called after each round without success; fetches newer lists if it can. */
  readonly refreshLists?: ((signal: AbortSignal) => Promise<void>) | undefined;
  /** Whether what is tried and why it fails is told by events. */
  readonly explain?: boolean | undefined;
  /** What tactics say now. */
  readonly tactics?: (() => TacticsSettings) | undefined;
  /** The region whose relays are tried first, as it is wanted now. */
  readonly region?: (() => string | null) | undefined;
}

interface Way {
  readonly dialer: RelayDialer;
  readonly candidate: Candidate;
}

/** Finds a way to a relay that works here and now, and never gives up (DESIGN §3.4). */
export class Establisher {
  readonly #env: Env;
  readonly #options: EstablisherOptions;
  /** When which candidate has failed last, in this process. */
  readonly #failedMs = new Map<string, number>();

  constructor(env: Env, options: EstablisherOptions) {
    this.#env = env;
    this.#options = options;
  }

  /** A new session, checked in both directions. Those in `avoid` come last. Rejects with the signal's reason only. */
  async run(options: {
    readonly avoid: ReadonlySet<RelayDialer>;
    readonly signal: AbortSignal;
  }): Promise<RelaySession> {
    const { signal } = options;
    const { clock, random } = this.#env;
    const { dialers } = this.#options;
    let roundEndMs = clock.monotonicMs() + ROUND_MS;
    for (let pass = 1; ; pass += 1) {
      try {
        return await this.#pass(pass, options);
      } catch (error) {
        signal.throwIfAborted();
        this.#options.firstWrites.noteNoWay();
        this.#env.log({ event: 'connect.failed', code: codeOf(error), relays: dialers.length });
      }
      if (clock.monotonicMs() >= roundEndMs) {
        await this.#refresh(signal);
        roundEndMs = clock.monotonicMs() + ROUND_MS;
      }
      await sleep(this.#env, backoffMs(pass, { ...ROUND_BACKOFF, fraction: random.fraction() }), signal);
    }
  }

  /** What goes wrong there must not keep the client from trying on. */
  async #refresh(signal: AbortSignal): Promise<void> {
    const { refreshLists } = this.#options;
    if (refreshLists === undefined) return;
    const enough = new AbortController();
    const over = AbortSignal.any([signal, enough.signal]);
    refreshLists(over)
      .catch(() => {})
      .finally(() => enough.abort());
    await sleep(this.#env, REFRESH_MS, over).catch(() => {});
    enough.abort();
    signal.throwIfAborted();
  }

  /** Tries every candidate, for the time of a round at most. */
  async #pass(
    pass: number,
    { avoid, signal }: { avoid: ReadonlySet<RelayDialer>; signal: AbortSignal },
  ): Promise<RelaySession> {
    const env = this.#env;
    const stages = await this.#stages(avoid);
    signal.throwIfAborted();
    const ways = stages.remembered.length + stages.sample.length + stages.rest.length;
    // A client without entries gets some meanwhile: it must not sit out a round with nothing to try.
    if (ways === 0) throw new TunnelError('unreachable', 'no way to any relay is known');
    const account = this.#options.explain ? new Account(env) : null;
    const tactics = this.#options.tactics?.() ?? {};
    const firstPatienceMs = tactics.patienceMs ?? FIRST_PATIENCE_MS;
    const patienceMs = Math.min(MOST_PATIENCE_MS, firstPatienceMs * 2 ** Math.min(10, pass - 1));
    const over = new AbortController();
    const cancelTimer = env.clock.setTimer(ROUND_MS, () => {
      over.abort(new TunnelError('timed-out', 'no relay has answered in this round'));
    });
    const race = new CandidateRace<Way, { session: RelaySession; way: Way }>(env, {
      stages,
      hasRoom: ({ candidate }) => this.#options.limits.hasRoom(hostOf(candidate)),
      discard: ({ session }) => session.client.close('cancelled'),
      pace: paceOf(tactics),
      signal: AbortSignal.any([signal, over.signal]),
      attempt: async (way, attemptSignal) => {
        const onFailure = (failure: AttemptFailure) => account?.add(failure);
        account?.progress({ ...race.progress, ways });
        return { way, session: await this.#attempt(way, { patienceMs, signal: attemptSignal, onFailure }) };
      },
    });
    let connected = false;
    try {
      const { session, way } = await race.run();
      connected = true;
      this.#failedMs.delete(way.candidate.key);
      // Nobody waits for a disk: what does not get there is learnt again.
      this.#options.memory.noteWorked(way.candidate).catch(() => {});
      return session;
    } finally {
      cancelTimer();
      account?.over(connected, { ...race.progress, ways });
    }
  }

  async #attempt(
    { dialer, candidate }: Way,
    options: { patienceMs: number; signal: AbortSignal; onFailure: (failure: AttemptFailure) => void },
  ): Promise<RelaySession> {
    const { patienceMs, signal } = options;
    let phase: Phase = 'resolve';
    try {
      const first = await dialer.dialOne(candidate, {
        nextAttach: () => ({ kind: 'new' }),
        signal,
        patience: { connectMs: patienceMs, answerMs: patienceMs },
        onPhase: (next) => {
          phase = next;
        },
      });
      phase = 'check';
      return await this.#check(dialer, first, { patienceMs, signal });
    } catch (error) {
      if (!signal.aborted) {
        const failure = { tag: candidate.tag, transport: candidate.transport.name, phase, code: codeOf(error) };
        this.#failedMs.set(candidate.key, this.#env.clock.monotonicMs());
        options.onFailure(failure);
        // The dialer tells of all failures but this one.
        if (phase === 'check') this.#options.onFailure(failure);
      }
      throw error;
    }
  }

  /** Makes the session and tries it. One that does not pass, or comes too late, is closed, and the relay is told. */
  async #check(
    dialer: RelayDialer,
    first: AttachedCarrier,
    options: { patienceMs: number; signal: AbortSignal },
  ): Promise<RelaySession> {
    const session = this.#options.createSession(dialer, first);
    try {
      const roundTripMs = first.link.roundTripMs ?? options.patienceMs;
      await checkBothWays(this.#env, session.client, { ...options, timeoutMs: options.patienceMs, roundTripMs });
      return session;
    } catch (error) {
      session.client.close('cancelled');
      throw error;
    }
  }

  /** Orders the candidates. */
  async #stages(avoid: ReadonlySet<RelayDialer>): Promise<Stages<Way>> {
    const { dialers, memory } = this.#options;
    const worked = await memory.remembered();
    const stale = this.#stale();
    const timely = dialers.filter((dialer) => !stale.has(dialer));
    const sampleTags = await memory.sample(timely.map(({ entry }) => entry.tag));
    const fresh = dialers.filter((dialer) => !avoid.has(dialer));
    const inSample = fresh.filter(({ entry }) => sampleTags.has(entry.tag));
    const outside = shuffled(
      this.#env,
      fresh.filter(({ entry }) => !sampleTags.has(entry.tag)),
    );
    const [sample, others, avoided] = [inSample, outside, dialers.filter((dialer) => avoid.has(dialer))].map((group) =>
      [group.filter((dialer) => !stale.has(dialer)), group.filter((dialer) => stale.has(dialer))].flatMap(layered),
    );
    const places = new Map(worked.slice(0, HEAD_START_WAYS).map((way, index) => [way, index]));
    const placeOf = ({ candidate }: Way) => places.get(memory.wayOf(candidate.key));
    const all = places.size === 0 ? [] : [...(sample ?? []), ...(others ?? [])];
    const isAvoided = ({ dialer, candidate }: Way) => dialer.isAvoided(candidate);
    const remembered = all.filter((way) => placeOf(way) !== undefined && !isAvoided(way));
    remembered.sort((a, b) => (placeOf(a) ?? 0) - (placeOf(b) ?? 0));
    const isLeft = (way: Way) => !(remembered.includes(way) || isAvoided(way));
    const last = [...(sample ?? []), ...(others ?? [])].filter(isAvoided);
    const stages = {
      remembered,
      sample: (sample ?? []).filter(isLeft),
      rest: [
        ...this.#oldestFailureFirst((others ?? []).filter(isLeft)),
        ...(avoided ?? []),
        ...this.#oldestFailureFirst(last),
      ],
    };
    return this.#preferring(stages, this.#options.region?.() ?? null);
  }

  /** Dialers of entries that are out of their time, which have no place in the sample; none where all are: then the clock is wrong, or nothing is better. */
  #stale(): ReadonlySet<RelayDialer> {
    const { dialers } = this.#options;
    const nowMs = latestAttestedMs(dialers) ?? this.#env.clock.wallMs();
    const stale = dialers.filter(({ entry }) => entryValidity(entry, nowMs) !== 'valid');
    return new Set(stale.length === dialers.length ? [] : stale);
  }

  /** A round may end before all have had their turn; the next begins with those that have not. */
  #oldestFailureFirst(ways: readonly Way[]): Way[] {
    const failedMs = ({ candidate }: Way) => this.#failedMs.get(candidate.key) ?? -1;
    return [...ways].sort((a, b) => failedMs(a) - failedMs(b));
  }

  /**
   * A wish for a region: some of its ways come first, those that have worked before the others, and in each pass those that have not failed of
   * late; the rest is kept for afterwards. Never all of a large region: where it is blocked, a round would end before the others have had a turn.
   */
  #preferring({ remembered, sample, rest }: Stages<Way>, region: string | null): Stages<Way> {
    const all = [...remembered, ...sample, ...rest];
    const isWanted = ({ dialer }: Way) => dialer.entry.region === region;
    if (region === null || !all.some(isWanted)) return { remembered, sample, rest };
    const worked = remembered.filter(isWanted);
    const wanted = this.#oldestFailureFirst([...sample, ...rest].filter(isWanted)).slice(0, WANTED_REGION_WAYS);
    const first = new Set([...worked, ...wanted]);
    return { remembered: worked, sample: wanted, rest: all.filter((way) => !first.has(way)) };
  }
}

/** The client's own pace, as far as tactics do not set it. */
function paceOf({ raceWidth, wideRaceWidth, staggerMs }: TacticsSettings): RacePace {
  const { narrowWidth, wideWidth, narrowStaggerMs, wideStaggerMs } = RACE_PACE;
  const narrow = raceWidth ?? Math.min(narrowWidth, wideRaceWidth ?? wideWidth);
  return {
    narrowWidth: narrow,
    wideWidth: Math.max(narrow, wideRaceWidth ?? wideWidth),
    narrowStaggerMs: staggerMs ?? narrowStaggerMs,
    wideStaggerMs: ((staggerMs ?? narrowStaggerMs) / narrowStaggerMs) * wideStaggerMs,
  };
}

/** The first way of each relay, then the second of each, and so on. */
function layered(dialers: readonly RelayDialer[]): Way[] {
  const perRelay = dialers.map((dialer) => dialer.candidates.map((candidate) => ({ dialer, candidate })));
  const most = Math.max(0, ...perRelay.map(({ length }) => length));
  return Array.from({ length: most }, (_, layer) => perRelay.flatMap((ways) => ways[layer] ?? [])).flat();
}

import type { Target } from '@rozan/protocol';
import type { Clock, Random } from '@rozan/tunnel';
import { SCAN_BOUNDS, SOURCE_BOUNDS } from './constants.ts';
import { ScanBrake } from './scan-brake.ts';
import { type Source, SourceKeys } from './source-key.ts';
import { TokenBucket } from './token-bucket.ts';

/** The caps, as `SOURCE_BOUNDS` names them. */
export type SourceBounds = { readonly [Name in keyof typeof SOURCE_BOUNDS]: number };

/** Gives back what was taken. Calling it again does nothing. */
export type Release = () => void;

/** Permission to dial: after `delayMs`, and with word of the outcome. */
export interface DialPermit {
  /** How long to wait before dialling: 0, or more while the scan brake is on. */
  readonly delayMs: number;
  /** To be called once: whether the destination was reached; null if the dial was given up before that was known. */
  finish(isReached: boolean | null): void;
}

/** What one session uses. */
export interface SessionPermit {
  readonly source: Source;
  readonly channel: string;
  /** Counts a stream; null at a cap. */
  openStream(): Release | null;
  /** Counts a dial; null at a cap or above the rate. */
  startDial(target: Target): DialPermit | null;
  /** Counts a datagram flow; null at a cap. */
  openFlow(): Release | null;
  /** Whether a flow may send to one more address now. */
  mayReachOut(): boolean;
  /** Ends the session's share. What its streams, flows and dials hold is given back by themselves. */
  close(): void;
}

/** Counts and memories of one prefix. */
interface PrefixState {
  sessions: number;
  streams: number;
  flows: number;
  dials: number;
  readonly dialRate: TokenBucket;
  readonly remoteRate: TokenBucket;
  readonly brake: ScanBrake;
}

/** Makes a function that acts once. */
function once(action: () => void): Release {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    action();
  };
}

function countDown(counts: Map<string, number>, key: string): void {
  const left = (counts.get(key) ?? 1) - 1;
  if (left > 0) counts.set(key, left);
  else counts.delete(key);
}

/**
 * Caps per source prefix and per channel (DESIGN §7.1). A prefix that holds something is always remembered, which the cap on sessions
 * bounds; of those that hold nothing the least recently used are forgotten.
 */
export class SourceLimits {
  readonly #clock: Clock;
  readonly #keys: SourceKeys;
  readonly #bounds: SourceBounds;
  readonly #prefixes = new Map<string, PrefixState>();
  /** Prefixes that hold nothing, the longest unused first. */
  readonly #idle = new Set<string>();
  readonly #sessionsByChannel = new Map<string, number>();
  readonly #flowsByChannel = new Map<string, number>();
  #sessions = 0;

  constructor(clock: Clock, random: Random, bounds: Partial<SourceBounds> = {}) {
    this.#clock = clock;
    this.#keys = new SourceKeys(random);
    this.#bounds = { ...SOURCE_BOUNDS, ...bounds };
  }

  /** Sessions now. */
  get sessionCount(): number {
    return this.#sessions;
  }

  /** Prefixes remembered now. */
  get prefixCount(): number {
    return this.#prefixes.size;
  }

  /** Whom a connection is counted under. */
  sourceOf(remoteAddress: string | undefined): Source {
    return this.#keys.sourceOf(remoteAddress);
  }

  /** Admits a new session; null at a cap of the relay, of the channel, or of the source. */
  openSession(source: Source, channel: string): SessionPermit | null {
    const bounds = this.#bounds;
    const inChannel = this.#sessionsByChannel.get(channel) ?? 0;
    if (this.#sessions >= bounds.sessions || inChannel >= bounds.sessionsPerChannel) return null;
    const prefix = this.#prefixOf(source);
    if (!source.isLocal && prefix.sessions >= bounds.sessionsPerPrefix) return null;
    this.#sessions += 1;
    this.#sessionsByChannel.set(channel, inChannel + 1);
    prefix.sessions += 1;
    const close = once(() => {
      this.#sessions -= 1;
      countDown(this.#sessionsByChannel, channel);
      prefix.sessions -= 1;
      this.#noteUse(source.key, prefix);
    });
    this.#noteUse(source.key, prefix);
    return this.#permitFor({ source, channel, prefix, close });
  }

  #permitFor(given: { source: Source; channel: string; prefix: PrefixState; close: Release }): SessionPermit {
    const { source, channel, prefix, close } = given;
    const mine = {
      streams: 0,
      dials: 0,
      brake: new ScanBrake(SCAN_BOUNDS.failuresPerSession, this.#clock.monotonicMs()),
    };
    const openStream = (): Release | null => {
      const { streamsPerSession, streamsPerPrefix } = this.#bounds;
      if (mine.streams >= streamsPerSession) return null;
      if (!source.isLocal && prefix.streams >= streamsPerPrefix) return null;
      mine.streams += 1;
      prefix.streams += 1;
      this.#noteUse(source.key, prefix);
      return once(() => {
        mine.streams -= 1;
        prefix.streams -= 1;
        this.#noteUse(source.key, prefix);
      });
    };
    const startDial = (target: Target): DialPermit | null => {
      const nowMs = this.#clock.monotonicMs();
      const prefixDelayMs = source.isLocal ? 0 : prefix.brake.delayMs(nowMs);
      const sessionDelayMs = mine.brake.delayMs(nowMs);
      const most = sessionDelayMs > 0 ? SCAN_BOUNDS.dialsWhileBraked : this.#bounds.dialsPerSession;
      if (mine.dials >= most || !this.#mayDial(source, prefix)) return null;
      mine.dials += 1;
      prefix.dials += 1;
      this.#noteUse(source.key, prefix);
      const giveBack = once(() => {
        mine.dials -= 1;
        prefix.dials -= 1;
        this.#noteUse(source.key, prefix);
      });
      const finish = (isReached: boolean | null): void => {
        giveBack();
        if (isReached === false) this.#noteFailure(target, [mine.brake, prefix.brake]);
      };
      return { delayMs: Math.max(sessionDelayMs, prefixDelayMs), finish };
    };
    return { source, channel, openStream, startDial, ...this.#flowPermitFor(given), close };
  }

  #flowPermitFor(given: { source: Source; channel: string; prefix: PrefixState }) {
    const { source, channel, prefix } = given;
    const { remoteRatePerSession: perSecond, remoteBurstPerSession: burst } = this.#bounds;
    const rate = new TokenBucket({ perSecond, burst }, this.#clock.monotonicMs());
    let mine = 0;
    const openFlow = (): Release | null => {
      const { flowsPerSession, flowsPerPrefix, flowsPerChannel } = this.#bounds;
      const inChannel = this.#flowsByChannel.get(channel) ?? 0;
      if (mine >= flowsPerSession || inChannel >= flowsPerChannel) return null;
      if (!source.isLocal && prefix.flows >= flowsPerPrefix) return null;
      mine += 1;
      prefix.flows += 1;
      this.#flowsByChannel.set(channel, inChannel + 1);
      this.#noteUse(source.key, prefix);
      return once(() => {
        mine -= 1;
        prefix.flows -= 1;
        countDown(this.#flowsByChannel, channel);
        this.#noteUse(source.key, prefix);
      });
    };
    const mayReachOut = (): boolean => {
      const nowMs = this.#clock.monotonicMs();
      return rate.take(nowMs) && (source.isLocal || prefix.remoteRate.take(nowMs));
    };
    return { openFlow, mayReachOut };
  }

  #mayDial(source: Source, prefix: PrefixState): boolean {
    if (source.isLocal) return true;
    return prefix.dials < this.#bounds.dialsPerPrefix && prefix.dialRate.take(this.#clock.monotonicMs());
  }

  #noteFailure(target: Target, brakes: readonly ScanBrake[]): void {
    const nowMs = this.#clock.monotonicMs();
    const hash = this.#keys.hash(`${target.port} ${target.host}`);
    for (const brake of brakes) brake.noteFailure(hash, nowMs);
  }

  #prefixOf({ key }: Source): PrefixState {
    const known = this.#prefixes.get(key);
    if (known !== undefined) return known;
    const nowMs = this.#clock.monotonicMs();
    const { dialRatePerSecond: perSecond, dialBurst: burst, remoteRatePerPrefix, remoteBurstPerPrefix } = this.#bounds;
    const state = {
      sessions: 0,
      streams: 0,
      flows: 0,
      dials: 0,
      dialRate: new TokenBucket({ perSecond, burst }, nowMs),
      remoteRate: new TokenBucket({ perSecond: remoteRatePerPrefix, burst: remoteBurstPerPrefix }, nowMs),
      brake: new ScanBrake(SCAN_BOUNDS.failuresPerPrefix, nowMs),
    };
    this.#prefixes.set(key, state);
    return state;
  }

  /** Keeps the list of prefixes that hold nothing, and that list's cap. */
  #noteUse(key: string, prefix: PrefixState): void {
    this.#idle.delete(key);
    if (prefix.sessions + prefix.streams + prefix.flows + prefix.dials > 0) return;
    this.#idle.add(key);
    if (this.#idle.size <= this.#bounds.idlePrefixes) return;
    const [oldest] = this.#idle;
    if (oldest === undefined) return;
    this.#idle.delete(oldest);
    this.#prefixes.delete(oldest);
  }
}

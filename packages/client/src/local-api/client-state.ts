import { isDeepStrictEqual } from 'node:util';
import { type CancelTimer, type Env, formatAddress, type LogEvent, type SocketAddress } from '@rozan/tunnel';
import type { Client } from '../client.ts';
import type { RelaySession } from '../relay-session.ts';
import { AccountKeeper, looksOf } from './account-keeper.ts';
import type { ClientState, Looks, Phase, Warning, Why } from './api-types.ts';
import type { AppEntries } from './app-entries.ts';
import { GIVEN_UP_MS, RATE_SAMPLES, SAMPLE_MS } from './limits.ts';

/** Ends of carriers that nobody of ours has wanted. */
const CUTS: ReadonlySet<unknown> = new Set(['closed', 'reset', 'stalled', 'not-authentic']);
/** Warnings that an event brings, until the client is connected anew. */
const WARNINGS: Readonly<Record<string, Warning>> = {
  'entry.stale': 'entries-stale',
  'program.missing': 'program-missing',
  'memory.unwritable': 'memory-unwritable',
  'relay.draining': 'relay-draining',
};

/** What the state is made of, beside events. */
export interface StateSources {
  readonly client: Client;
  readonly book: AppEntries;
  readonly version: string;
  readonly isShared: boolean;
  readonly homePage: () => string | null;
  readonly systemProxy: () => ClientState['systemProxy'];
  /** Of settings and the system proxy. */
  readonly warnings: () => readonly Warning[];
  readonly restartNeeded: () => boolean;
  /** Called with what has changed. */
  readonly onChange: (what: 'state' | 'entries' | 'why') => void;
}

interface Traffic {
  readonly up: number;
  readonly down: number;
}

const textOf = (address: SocketAddress | undefined) => (address === undefined ? null : formatAddress(address));

/** Puts together what a person may know of the client, from its events and its pool. Addresses of relays never get here. */
export class StateKeeper implements Disposable {
  readonly #env: Env;
  readonly #sources: StateSources;
  readonly #account = new AccountKeeper();
  readonly #warnings = new Set<Warning>();
  #attempt: ClientState['attempt'] = null;
  #cuts = 0;
  #ended: Traffic = { up: 0, down: 0 };
  /** The last few sums of traffic, for the rates. */
  #samples: Traffic[] = [];
  #phase: Phase;
  #sinceMs: number;
  #last: ClientState | null = null;
  #cancelSample: CancelTimer;

  constructor(env: Env, sources: StateSources) {
    this.#env = env;
    this.#sources = sources;
    this.#phase = this.#phaseNow();
    this.#sinceMs = env.clock.wallMs();
    this.#cancelSample = this.#sampleLater();
  }

  /** Takes an event of the client. */
  note(event: LogEvent): void {
    const warning = WARNINGS[event.event];
    if (warning !== undefined) this.#warnings.add(warning);
    switch (event.event) {
      case 'carrier.lost':
        if (CUTS.has(event.cause)) this.#cuts += 1;
        this.#ended = {
          up: this.#ended.up + Number(event.bytesSent),
          down: this.#ended.down + Number(event.bytesReceived),
        };
        break;
      case 'session.opened':
        this.#sources.book.noteWorked(String(event.relay));
        this.#sources.onChange('entries');
        break;
      case 'establish.trying':
        this.#attempt = countsOf(event);
        break;
      case 'establish.over':
        this.#attempt = null;
        break;
    }
    if (this.#account.note(event, this.#env.clock.wallMs())) this.#sources.onChange('why');
    this.refresh();
  }

  /** What was learnt before the person has asked for another go says nothing any more. */
  begin(): void {
    this.#account.begin();
    this.#attempt = null;
    this.#warnings.clear();
    this.refresh();
  }

  /** Tells of the state if it is another one. */
  refresh(): void {
    const phase = this.#phaseNow();
    if (phase !== this.#phase) {
      if (phase === 'connected') this.#cuts = 0;
      if (phase === 'off') this.#attempt = null;
      this.#phase = phase;
      this.#sinceMs = this.#env.clock.wallMs();
    }
    const state = this.state();
    if (isDeepStrictEqual(state, this.#last)) return;
    this.#last = state;
    this.#sources.onChange('state');
  }

  why(): Why {
    return this.#account.why(this.#phaseNow(), this.#sources.book.size);
  }

  state(): ClientState {
    const { client, book, version, isShared, homePage, systemProxy, restartNeeded } = this.#sources;
    const entries = book.list(this.#env.clock.wallMs());
    const worked = entries.filter(({ state }) => state === 'in-use' || state === 'worked').length;
    const failed = entries.filter(({ state }) => state === 'failed').length;
    const { socks, http } = client.proxies;
    return {
      v: 1,
      phase: this.#phase,
      sinceMs: this.#sinceMs,
      attempt: this.#phase === 'off' || this.#phase === 'connected' ? null : this.#attempt,
      connection: this.#connection(),
      traffic: this.#traffic(),
      direct: client.directCount(),
      proxies: { socks: textOf(socks), http: textOf(http), shared: isShared },
      entries: { total: book.size, worked, failed },
      homePage: homePage(),
      systemProxy: systemProxy(),
      restartNeeded: restartNeeded(),
      warnings: this.#allWarnings(),
      versions: { rozan: version, api: 1 },
    };
  }

  #allWarnings(): Warning[] {
    const { book, isShared, warnings } = this.#sources;
    const all = new Set<Warning>([...this.#warnings, ...warnings()]);
    if (book.size === 0) all.add('no-entries');
    if (isShared) all.add('shared-on-lan');
    return [...all];
  }

  /** The newest session that may still be of use. */
  #session(): RelaySession | null {
    const sessions = this.#sources.client.pool.sessions.filter(({ client }) => client.unansweredMs < GIVEN_UP_MS);
    return sessions.at(-1) ?? null;
  }

  #phaseNow(): Phase {
    const { pool } = this.#sources.client;
    if (pool.isPaused) return 'off';
    if (this.#session() !== null) return 'connected';
    return this.#account.hasFailed ? 'blocked' : 'connecting';
  }

  #connection(): ClientState['connection'] {
    const session = this.#phase === 'connected' ? this.#session() : null;
    if (session === null) return null;
    const { carriers } = session.client.session;
    const looks = new Set<Looks>(carriers.map(({ transport }) => looksOf(transport)));
    const entry = session.dialer.entry;
    return {
      looks: [...looks],
      carriers: carriers.length,
      cuts: this.#cuts,
      waiting: !this.#sources.client.pool.isLive(),
      rerouted: session.rerouted,
      entry: entry.tag,
      region: entry.region ?? null,
    };
  }

  #sum(): Traffic {
    const alive = this.#sources.client.pool.sessions.flatMap(({ client }) => client.session.carriers);
    return {
      up: alive.reduce((sum, { bytesSent }) => sum + bytesSent, this.#ended.up),
      down: alive.reduce((sum, { bytesReceived }) => sum + bytesReceived, this.#ended.down),
    };
  }

  #traffic(): ClientState['traffic'] {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    const perSecond = (end = 0, start = 0) =>
      Math.max(0, Math.round(((end - start) * 1000) / (SAMPLE_MS * Math.max(1, this.#samples.length - 1))));
    return {
      bytesUp: last?.up ?? 0,
      bytesDown: last?.down ?? 0,
      upPerSecond: perSecond(last?.up, first?.up),
      downPerSecond: perSecond(last?.down, first?.down),
    };
  }

  #sampleLater(): CancelTimer {
    return this.#env.clock.setTimer(SAMPLE_MS, () => {
      this.#samples = [...this.#samples, this.#sum()].slice(-RATE_SAMPLES - 1);
      this.refresh();
      this.#cancelSample = this.#sampleLater();
    });
  }

  [Symbol.dispose](): void {
    this.#cancelSample();
  }
}

function countsOf({ trying, failed, ways, afterMs }: LogEvent): ClientState['attempt'] {
  return { trying: Number(trying), failed: Number(failed), ways: Number(ways), afterMs: Number(afterMs) };
}

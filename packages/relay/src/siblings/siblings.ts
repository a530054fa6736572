import {
  type AttachAttempt,
  type Channel,
  type KeyPair,
  keyPairOf,
  linkSecret,
  prepareChannel,
  type ServerEntry,
} from '@rozan/protocol';
import { type Clock, RelayClock } from '@rozan/tunnel';

/** Another relay with which this one forwards, in either role (docs/spec/reroute.md). */
export interface Sibling {
  /** The relay's id. */
  readonly id: string;
  readonly entry: ServerEntry;
  /** The secret under which this relay forwards to it. */
  readonly secret: Buffer;
  /** What is known of its clock. */
  readonly relayClock: RelayClock;
}

/** The siblings of a relay. */
export class Siblings {
  readonly #clock: Clock;
  readonly #own: KeyPair;
  #siblings: readonly Sibling[] = [];
  #channels: readonly Channel[] = [];
  #byChannel: ReadonlyMap<string, Sibling> = new Map();

  /** `staticKey`: this relay's own, private. */
  constructor(clock: Clock, staticKey: Buffer) {
    this.#clock = clock;
    this.#own = keyPairOf(staticKey);
  }

  /** Under the secrets of these come the flights that siblings forward. */
  get channels(): readonly Channel[] {
    return this.#channels;
  }

  /** From now on these are the siblings. Throws a `ProtocolError` when a key in there is none. */
  set(entries: readonly ServerEntry[]): void {
    const own = this.#own;
    const clocks = new Map(this.#siblings.map(({ id, relayClock }) => [id, relayClock]));
    const siblings = entries.map((entry) => ({
      id: entry.relay,
      entry,
      secret: linkSecret(own, entry.key, { forwarder: own.publicKey, home: entry.key }),
      relayClock: clocks.get(entry.relay) ?? new RelayClock(this.#clock),
    }));
    this.#channels = siblings.map(({ id, entry }) => {
      const secret = linkSecret(own, entry.key, { forwarder: entry.key, home: own.publicKey });
      return prepareChannel(channelIdOf(id), secret);
    });
    this.#byChannel = new Map(siblings.map((sibling) => [channelIdOf(sibling.id), sibling]));
    this.#siblings = siblings;
  }

  /** The sibling under whose link secret a flight came; null for the flights of clients. */
  ofChannel(channelId: string): Sibling | null {
    return this.#byChannel.get(channelId) ?? null;
  }

  /** The sibling that a forward request names, or null. All are tried, so that the time says nothing. */
  namedBy(attempt: AttachAttempt): Sibling | null {
    return this.#siblings.filter(({ entry }) => attempt.namesHome(entry.key))[0] ?? null;
  }
}

/** No channel of a relay may be called this: it has a space. */
function channelIdOf(siblingId: string): string {
  return `sibling ${siblingId}`;
}

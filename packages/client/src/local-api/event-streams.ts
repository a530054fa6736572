import type { ServerResponse } from 'node:http';
import type { CancelTimer, Clock } from '@rozan/tunnel';
import { API_BOUNDS, type ClientEvent, type ClientState } from './api-types.ts';

type Kind = ClientEvent['type'];

/** One reader. It is owed at most one line of each type: what it has not taken is replaced by what is newer. */
class EventStream {
  readonly #response: ServerResponse;
  readonly #state: () => ClientState;
  readonly #owed = new Set<Kind>();
  #isFull = false;

  constructor(response: ServerResponse, state: () => ClientState) {
    this.#response = response;
    this.#state = state;
    response.on('drain', () => {
      this.#isFull = false;
      this.#flush();
    });
  }

  owe(kind: Kind): void {
    // Another beat says nothing to who has not taken what is there.
    if (kind === 'beat' && this.#isFull) return;
    this.#owed.add(kind);
    this.#flush();
  }

  #flush(): void {
    for (const kind of this.#owed) {
      if (this.#isFull) return;
      this.#owed.delete(kind);
      const event: ClientEvent = kind === 'state' ? { type: kind, state: this.#state() } : { type: kind };
      this.#isFull = !this.#response.write(`${JSON.stringify(event)}\n`);
    }
  }

  end(): void {
    this.#response.destroy();
  }
}

/** The readers of `GET /api/events`: bounded in number, and in what each is owed. */
export class EventStreams implements Disposable {
  readonly #clock: Clock;
  readonly #state: () => ClientState;
  readonly #streams = new Set<EventStream>();
  #cancelState: CancelTimer | null = null;
  #cancelBeat: CancelTimer;

  constructor(clock: Clock, state: () => ClientState) {
    this.#clock = clock;
    this.#state = state;
    this.#cancelBeat = this.#beatLater();
  }

  get size(): number {
    return this.#streams.size;
  }

  /** Takes over a response whose head has been written. */
  add(response: ServerResponse): void {
    const stream = new EventStream(response, this.#state);
    this.#streams.add(stream);
    response.once('close', () => this.#streams.delete(stream));
    const [oldest] = this.#streams;
    if (this.#streams.size > API_BOUNDS.streams && oldest !== undefined) {
      this.#streams.delete(oldest);
      oldest.end();
    }
    stream.owe('state');
  }

  /** Tells of a change. States are held back so that they do not come too fast. */
  tell(kind: Exclude<Kind, 'beat'>): void {
    if (kind !== 'state') this.#tellAll(kind);
    else
      this.#cancelState ??= this.#clock.setTimer(API_BOUNDS.stateMs, () => {
        this.#cancelState = null;
        this.#tellAll('state');
      });
  }

  #tellAll(kind: Kind): void {
    for (const stream of this.#streams) stream.owe(kind);
  }

  #beatLater(): CancelTimer {
    return this.#clock.setTimer(API_BOUNDS.beatMs, () => {
      this.#tellAll('beat');
      this.#cancelBeat = this.#beatLater();
    });
  }

  [Symbol.dispose](): void {
    this.#cancelState?.();
    this.#cancelBeat();
    for (const stream of this.#streams) stream.end();
    this.#streams.clear();
  }
}

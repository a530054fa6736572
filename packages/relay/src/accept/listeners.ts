import {
  type CancelTimer,
  type Certificates,
  type Conn,
  type Env,
  findTransport,
  type Listener,
  TunnelError,
} from '@rozan/tunnel';
import type { ListenPlace } from '../data-folder/relay-config.ts';
import { LISTEN_BOUNDS } from '../limits/constants.ts';

/** The listeners of a relay: opened together, closed while the relay is full of strangers, opened again after. */
export class Listeners {
  readonly #env: Env;
  readonly #onConn: (conn: Conn, transport: string) => void;
  readonly #isFirst: boolean;
  readonly #certificates: Certificates | undefined;
  #places: readonly ListenPlace[];
  #open: Listener[] = [];
  /** Whether they are to be open; they may be on their way there. */
  #isWanted = false;
  #cancelRetry: CancelTimer = () => {};

  /** `isFirst`: of several processes that listen at the same places, this one gets what one process has to get whole. */
  constructor(
    env: Env,
    places: readonly ListenPlace[],
    onConn: (conn: Conn, transport: string) => void,
    {
      isFirst = true,
      certificates,
    }: { readonly isFirst?: boolean | undefined; readonly certificates?: Certificates | undefined } = {},
  ) {
    this.#env = env;
    this.#isFirst = isFirst;
    this.#certificates = certificates;
    this.#places = places;
    this.#onConn = onConn;
  }

  get places(): readonly ListenPlace[] {
    return this.#places;
  }

  /** Opens all of them. Rejects with a `TunnelError` when one cannot be opened; then none is. */
  async open(): Promise<void> {
    this.#isWanted = true;
    try {
      await this.#openAll();
    } catch (error) {
      await this.#closeAll();
      throw error;
    }
  }

  /** Opens them after `close`, and tries until they are open or closed again: the reason may pass, and a relay that is deaf helps nobody. */
  openAgain(): void {
    this.#cancelRetry();
    this.open().catch(() => {
      this.#env.log({ event: 'listen.failed' });
      if (this.#isWanted) this.#cancelRetry = this.#env.clock.setTimer(LISTEN_BOUNDS.retryMs, () => this.openAgain());
    });
  }

  async close(): Promise<void> {
    this.#isWanted = false;
    this.#cancelRetry();
    await this.#closeAll();
  }

  async #openAll(): Promise<void> {
    const places: ListenPlace[] = [];
    for (const place of this.#places) {
      const { transport: name, address } = place;
      const transport = findTransport(name);
      if (transport === null) throw new TunnelError('bad-params', `there is no transport named ${name}`);
      if (!this.#isFirst && transport.traits.spansConnections) {
        places.push(place);
        continue;
      }
      const onConn = (conn: Conn) => this.#onConn(conn, name);
      const settings = transport.parseSettings(place.settings);
      const listener = await transport.listen(this.#env, {
        address,
        settings,
        onConn,
        certificates: this.#certificates,
      });
      this.#open.push(listener);
      places.push({ ...place, address: listener.address });
      if (!this.#isWanted) return this.#closeAll();
    }
    // A port that was picked is kept, so that opening again finds the same one.
    this.#places = places;
  }

  async #closeAll(): Promise<void> {
    const open = this.#open;
    this.#open = [];
    await Promise.all(open.map((listener) => listener.close()));
  }
}

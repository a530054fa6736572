import { type Conn, type Env, findTransport, type TransportListener, TunnelError } from '@rozan/tunnel';
import type { TransportAddress } from '../data-folder/relay-config.ts';

/** The listeners of a relay: opened together, closed while the relay is full of strangers, opened again after. */
export class Listeners {
  readonly #env: Env;
  readonly #onConn: (conn: Conn, transport: string) => void;
  #places: readonly TransportAddress[];
  #open: TransportListener[] = [];

  constructor(env: Env, places: readonly TransportAddress[], onConn: (conn: Conn, transport: string) => void) {
    this.#env = env;
    this.#places = places;
    this.#onConn = onConn;
  }

  get places(): readonly TransportAddress[] {
    return this.#places;
  }

  async open(): Promise<void> {
    const places: TransportAddress[] = [];
    for (const { transport: name, address } of this.#places) {
      const transport = findTransport(name);
      if (transport === null) throw new TunnelError('bad-params', `there is no transport named ${name}`);
      const onConn = (conn: Conn) => this.#onConn(conn, name);
      const listener = await transport.listen(this.#env, { address, onConn });
      this.#open.push(listener);
      places.push({ transport: name, address: listener.address });
    }
    // A port that was picked is kept, so that opening again finds the same one.
    this.#places = places;
  }

  async close(): Promise<void> {
    const open = this.#open;
    this.#open = [];
    await Promise.all(open.map((listener) => listener.close()));
  }
}

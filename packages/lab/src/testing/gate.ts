import type { Conn, Network, SocketAddress } from '@rozan/tunnel';

/** Somebody on the way to a relay, who can cut connections and let none through. */
export interface Gate extends AsyncDisposable {
  readonly address: SocketAddress;
  /** Resets what goes through now; what comes next goes through. */
  cut(): void;
  /** Resets what goes through, and whatever comes until it is opened. */
  shut(): void;
  open(): void;
}

function reset(conn: Conn): void {
  if (conn.resetAndDestroy === undefined) conn.destroy();
  else conn.resetAndDestroy();
}

/** A gate before `target`, which may be asked for only when somebody comes. */
export async function createGate(network: Network, target: () => SocketAddress): Promise<Gate> {
  const conns = new Set<Conn>();
  let isShut = false;
  const hold = (conn: Conn): void => {
    conns.add(conn);
    conn.on('error', () => {});
    conn.once('close', () => conns.delete(conn));
  };
  const listener = await network.listen({ host: '127.0.0.1', port: 0 }, (client) => {
    hold(client);
    if (isShut) {
      reset(client);
      return;
    }
    network.dial(target()).then(
      (relay) => {
        hold(relay);
        client.once('close', () => relay.destroy());
        relay.once('close', () => client.destroy());
        client.pipe(relay).pipe(client);
      },
      () => client.destroy(),
    );
  });
  const cut = () => {
    for (const conn of conns) reset(conn);
  };
  return {
    address: listener.address,
    cut,
    shut: () => {
      isShut = true;
      cut();
    },
    open: () => {
      isShut = false;
    },
    [Symbol.asyncDispose]: async () => {
      cut();
      await listener.close();
    },
  };
}

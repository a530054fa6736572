import type { Conn, Network, SocketAddress } from '@rozan/tunnel';

/** Which way the changed byte goes. */
export type SpoiltDirection = 'up' | 'down';

/** One connection through a spoiler, as it sees it. */
export interface SpoiltLink {
  readonly client: Conn;
  readonly relay: Conn;
  /** A byte was changed on it. */
  spoilt: boolean;
  /** Bytes that came since then. */
  readonly since: { up: number; down: number };
  /** Which sides have ended it since then. */
  readonly ended: Set<SpoiltDirection>;
}

/** Somebody on the path who changes a byte, then holds on to both connections and watches what the two sides do. */
export interface Spoiler {
  readonly address: SocketAddress;
  readonly links: readonly SpoiltLink[];
  /** Changes the last byte of what comes next in this direction on every open link, and keeps each side's end from the other from then on. */
  spoil(direction: SpoiltDirection): void;
}

/** A chunk shorter than this may be a record's length alone; what changes that shows later. */
const LEAST_BYTES = 16;

/** Stands in front of `target`. */
export async function startSpoiler(network: Network, target: SocketAddress): Promise<Spoiler> {
  const links: SpoiltLink[] = [];
  const due = new Map<SpoiltLink, SpoiltDirection>();
  const forward = (link: SpoiltLink, direction: SpoiltDirection): void => {
    const [from, to] = direction === 'up' ? [link.client, link.relay] : [link.relay, link.client];
    from.on('data', (chunk: Buffer) => {
      if (link.spoilt) link.since[direction] += chunk.length;
      else if (due.get(link) === direction && chunk.length >= LEAST_BYTES) {
        link.spoilt = true;
        const last = chunk.length - 1;
        chunk[last] = (chunk[last] ?? 0) ^ 1;
      }
      to.write(chunk);
    });
    from.on('end', () => {
      if (link.spoilt) link.ended.add(direction);
      else to.end();
    });
    from.on('error', () => to.destroy());
  };
  const { address } = await network.listen({ host: '127.0.0.1', port: 0 }, (client) => {
    client.on('error', () => {});
    network.dial(target).then(
      (relay) => {
        const link: SpoiltLink = { client, relay, spoilt: false, since: { up: 0, down: 0 }, ended: new Set() };
        links.push(link);
        forward(link, 'up');
        forward(link, 'down');
      },
      () => client.destroy(),
    );
  });
  return {
    address,
    links,
    spoil: (direction) => {
      for (const link of links) if (!link.spoilt) due.set(link, direction);
    },
  };
}

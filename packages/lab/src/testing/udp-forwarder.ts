import { createEnv, type SocketAddress } from '@rozan/tunnel';
import type { SocksTarget } from './socks-client.ts';
import { openAssociation, type UdpAssociation } from './udp-association.ts';

/** A UDP port of this machine that leads to one target through a SOCKS5 proxy: for programs that do not speak SOCKS themselves. */
export interface UdpForwarder extends AsyncDisposable {
  readonly port: number;
}

/** Starts a forwarder. Each program that sends to it gets an association of its own. */
export async function startUdpForwarder(proxy: string, target: SocksTarget): Promise<UdpForwarder> {
  const { network } = createEnv({ log: () => {} });
  const associations = new Map<string, Promise<UdpAssociation>>();
  const associate = (program: SocketAddress): Promise<UdpAssociation> => {
    const key = `${program.host} ${program.port}`;
    const known = associations.get(key);
    if (known !== undefined) return known;
    const opening = openAssociation(proxy, (_from, bytes) => socket.send(bytes, program));
    associations.set(key, opening);
    return opening;
  };
  const socket = await network.bindDatagrams({ host: '127.0.0.1', port: 0 }, (bytes, from) => {
    associate(from).then(
      (association) => association.send(target, bytes),
      () => {},
    );
  });
  return {
    port: socket.address.port,
    [Symbol.asyncDispose]: async () => {
      socket.close();
      for (const opening of associations.values()) await (await opening)[Symbol.asyncDispose]();
    },
  };
}

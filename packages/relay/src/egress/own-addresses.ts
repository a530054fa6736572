import { networkInterfaces } from 'node:os';

/** The literals of all addresses that this machine has now, without zones. */
export function readOwnAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((infos) =>
    (infos ?? []).map((info) => info.address.replace(/%.*$/, '')),
  );
}

import type { IncomingHttpHeaders } from 'node:http';
import { formatAddress, type SocketAddress } from '@rozan/tunnel';
import { ApiFailure } from './api-error.ts';

/** What browsers say of a request that no other page has made. */
const OWN_SITES: ReadonlySet<string> = new Set(['same-origin', 'none']);

/** The values of `Host` that are ours. Names that point here are others' names: a page may have had them made to. */
export function ownHosts(address: SocketAddress): ReadonlySet<string> {
  return new Set([formatAddress(address), `localhost:${address.port}`]);
}

/** Throws an `ApiFailure` (`foreign`) for a request that a page of somebody else's may have made (docs/spec/client-api.md, "Getting in"). */
export function expectOwnRequest(headers: IncomingHttpHeaders, hosts: ReadonlySet<string>): void {
  const { host = '', origin } = headers;
  const site = headers['sec-fetch-site'];
  const isOwnHost = hosts.has(host.toLowerCase());
  const isOwnOrigin = origin === undefined || origin === `http://${host}`;
  const isOwnSite = site === undefined || OWN_SITES.has(String(site));
  if (!(isOwnHost && isOwnOrigin && isOwnSite)) {
    throw new ApiFailure('foreign', 'only the app itself, opened at its own address, may ask for this');
  }
}

const BEARER = /^Bearer ([A-Za-z0-9_-]{1,100})$/i;

/** The token of a request, or null. */
export function tokenOf({ authorization }: IncomingHttpHeaders): string | null {
  return BEARER.exec(authorization ?? '')?.[1] ?? null;
}

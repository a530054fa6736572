import type { IncomingHttpHeaders } from 'node:http';
import { formatAddress, type SocketAddress } from '@rozan/tunnel';
import { ApiFailure } from './api-error.ts';

/** What browsers say of a request that no other page has made. */
const OWN_SITES: ReadonlySet<string> = new Set(['same-origin', 'none']);

/** The values of `Host` that are ours. Names that point here are others' names: a page may have had them made to. */
export function ownHosts(address: SocketAddress): ReadonlySet<string> {
  return new Set([formatAddress(address), `localhost:${address.port}`]);
}

/** Whether a person goes to a page, from a file or another page: no other page gets to see what comes of it. */
function isNavigation(headers: IncomingHttpHeaders): boolean {
  return headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
}

/**
 * Throws an `ApiFailure` (`foreign`) for a request that a page of somebody else's may have made (docs/spec/client-api.md, "Getting in").
 * `isPage`: it is for one of the app's files, to which a person may come from anywhere.
 */
export function expectOwnRequest(headers: IncomingHttpHeaders, hosts: ReadonlySet<string>, isPage: boolean): void {
  const { host = '', origin } = headers;
  const site = headers['sec-fetch-site'];
  const isOwnHost = hosts.has(host.toLowerCase());
  const isOwnOrigin = origin === undefined || origin === `http://${host}`;
  const isOwnSite = site === undefined || OWN_SITES.has(String(site)) || (isPage && isNavigation(headers));
  if (!(isOwnHost && isOwnOrigin && isOwnSite)) {
    throw new ApiFailure('foreign', 'only the app itself, opened at its own address, may ask for this');
  }
}

const BEARER = /^Bearer ([A-Za-z0-9_-]{1,100})$/i;

/** The token of a request, or null. */
export function tokenOf({ authorization }: IncomingHttpHeaders): string | null {
  return BEARER.exec(authorization ?? '')?.[1] ?? null;
}

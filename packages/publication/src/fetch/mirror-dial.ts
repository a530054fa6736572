import { dialSecure, type Env, ipVersion } from '@rozan/tunnel';
import type { MirrorDial } from './mirror-connection.ts';

/** How mirrors are reached. */
export interface MirrorDialOptions {
  /** Gives a literal address of a name. Without it the network gets names as they are, as one through a proxy or the tunnel takes them. */
  readonly resolve?: ((name: string, signal: AbortSignal | undefined) => Promise<string>) | undefined;
  /** Authorities that may vouch for mirrors beside the usual ones, in PEM. */
  readonly roots?: string | undefined;
}

/** Dials mirrors by a network (direct, through an upstream proxy, through the tunnel), with TLS where the mirror's URL asks for it. */
export function createMirrorDial(env: Env, { resolve, roots }: MirrorDialOptions = {}): MirrorDial {
  return async ({ host, port, isSecure }, { signal }) => {
    const isLiteral = ipVersion(host) !== 0;
    const address = { host: isLiteral || resolve === undefined ? host : await resolve(host, signal), port };
    if (!isSecure) return await env.network.dial(address, { signal });
    const sni = isLiteral ? undefined : host;
    return await dialSecure(env, address, { sni, certificateName: host, roots, alpn: ['http/1.1'], signal });
  };
}

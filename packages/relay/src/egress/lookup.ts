import { promises as dns } from 'node:dns';
import type { Clock } from '@rozan/tunnel';

/** Addresses of a name, and how long they hold; null where the source does not say. */
export interface LookupAnswer {
  readonly addresses: readonly string[];
  readonly ttlMs: number | null;
}

/** Asks for a name's addresses. Rejects with an error whose `code` is one of `node:dns`. */
export type Lookup = (host: string) => Promise<LookupAnswer>;

/**
 * Asks the machine's own resolver (getaddrinfo: its hosts file, its name services).
 * Each look-up holds a thread of libuv's pool, half of which such calls may take: a busy relay wants UV_THREADPOOL_SIZE raised.
 */
export const systemLookup: Lookup = async (host) => {
  const found = await dns.lookup(host, { all: true, order: 'verbatim' });
  return { addresses: found.map((entry) => entry.address), ttlMs: null };
};

type TtlRecord = { readonly address: string; readonly ttl: number };

function answerOf(records: readonly TtlRecord[]): LookupAnswer {
  const ttlMs = records.length === 0 ? null : Math.min(...records.map((record) => record.ttl)) * 1000;
  return { addresses: records.map((record) => record.address), ttlMs };
}

/** Resolves with true once `delayMs` have passed, or with false once `other` settles. */
function delayUnless(clock: Clock, delayMs: number, other: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve) => {
    const cancel = clock.setTimer(delayMs, () => resolve(true));
    const stop = (): void => {
      cancel();
      resolve(false);
    };
    other.then(stop, stop);
  });
}

/** What `joinFamilies` needs. */
export interface FamilyQueries {
  readonly ipv4: Promise<readonly TtlRecord[]>;
  readonly ipv6: Promise<readonly TtlRecord[]>;
  /** How long the second answer is waited for once the first has come (RFC 8305 §3). */
  readonly resolutionDelayMs: number;
}

/** Joins two queries: a family that fails or comes too late costs nothing as long as the other one has addresses. */
export async function joinFamilies(clock: Clock, queries: FamilyQueries): Promise<LookupAnswer> {
  const found: TtlRecord[] = [];
  const collect = (records: readonly TtlRecord[]): void => void found.push(...records);
  const ipv4 = queries.ipv4.then(collect);
  const ipv6 = queries.ipv6.then(collect);
  const both = Promise.allSettled([ipv4, ipv6]);
  await Promise.any([ipv4, ipv6]).catch(() => undefined);
  if (found.length > 0) await delayUnless(clock, queries.resolutionDelayMs, both);
  else await both;
  if (found.length > 0) return answerOf(found);
  await Promise.any([ipv4, ipv6]).catch((error: AggregateError) => {
    throw error.errors[0];
  });
  return { addresses: [], ttlMs: null };
}

/** How configured name servers are asked. */
export interface ServerLookupOptions {
  /** Addresses of the servers, each with a port if it is not 53 (`1.1.1.1`, `[::1]:5353`). */
  readonly servers: readonly string[];
  readonly timeoutMs: number;
  readonly resolutionDelayMs: number;
}

/** Asks the configured name servers over DNS, both families at once. No thread is held. */
export function serverLookup(clock: Clock, options: ServerLookupOptions): Lookup {
  const resolver = new dns.Resolver({ timeout: Math.ceil(options.timeoutMs / 2), tries: 2 });
  resolver.setServers([...options.servers]);
  return (host) =>
    joinFamilies(clock, {
      ipv4: resolver.resolve4(host, { ttl: true }),
      ipv6: resolver.resolve6(host, { ttl: true }),
      resolutionDelayMs: options.resolutionDelayMs,
    });
}

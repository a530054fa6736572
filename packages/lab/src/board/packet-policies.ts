// Policies as nft rules, for a namespace: true of single packets. Only the form differs from the catalogue's; the sources are the same.

/** A policy that the kernel enforces. */
export interface PacketPolicy {
  readonly id: string;
  readonly name: string;
  readonly rules: readonly string[];
  readonly sets?: readonly string[];
  /** What one user may have, in bytes a second. */
  readonly allowedRate?: number;
}

/** Every TCP connection is reset, both ends, once it is so old (C01; all of TCP, as the kernel cannot tell what it carries). */
export function cutAtAge(seconds: number): PacketPolicy {
  return {
    id: `C01-${seconds}s`,
    name: `TCP connections are reset when they are ${seconds} s old`,
    sets: [`set young { type ipv4_addr . inet_service; flags dynamic,timeout; timeout ${seconds}s; }`],
    rules: [
      'ct direction original tcp flags & (syn|ack) == syn add @young { ip saddr . tcp sport }',
      'ct direction original meta l4proto tcp ip saddr . tcp sport != @young counter reject with tcp reset',
      'ct direction reply meta l4proto tcp ip daddr . tcp dport != @young counter reject with tcp reset',
    ],
  };
}

/** Policed by dropping, both ways together: nothing is queued, so that round trips stay as they are (C02). */
export function throttled(bytesPerSecond: number, clientHost: string): PacketPolicy {
  return {
    id: `C02-${bytesPerSecond}`,
    name: `no more than ${bytesPerSecond} bytes a second each way; the rest is dropped`,
    allowedRate: bytesPerSecond,
    rules: [
      `ip daddr ${clientHost} limit rate over ${bytesPerSecond} bytes/second burst ${Math.max(6000, Math.round(bytesPerSecond / 5))} bytes counter drop`,
      `ip saddr ${clientHost} limit rate over ${bytesPerSecond} bytes/second burst ${Math.max(6000, Math.round(bytesPerSecond / 5))} bytes counter drop`,
    ],
  };
}

/** Every SYN to the port is answered by a reset (C21). */
export function resetPort(port: number): PacketPolicy {
  return {
    id: `C21-${port}`,
    name: `connections to port ${port} are reset`,
    rules: [`tcp dport ${port} tcp flags syn counter reject with tcp reset`],
  };
}

/** So many packets with data of a connection pass, both directions together, and then none (C34). */
export function frozen(packets: number): PacketPolicy {
  return {
    id: `C34-${packets}`,
    name: `a connection falls silent after ${packets} packets`,
    rules: [`meta l4proto tcp ct packets > ${packets} counter drop`],
  };
}

/** A share of all packets on their way to the client is lost (C10). */
function lossy(percent: number, clientHost: string): PacketPolicy {
  return {
    id: `C10-${percent}`,
    name: `${percent} % of the packets on their way in are lost`,
    rules: [`ip daddr ${clientHost} numgen random mod 100 < ${percent} counter drop`],
  };
}

/** More connections than that from one address to another are not let through (C33). */
function crowded(most: number): PacketPolicy {
  return {
    id: `C33-${most}`,
    name: `of the connections between two addresses no more than ${most} pass`,
    sets: ['set pairs { type ipv4_addr . ipv4_addr; size 4096; flags dynamic; }'],
    rules: [
      `meta l4proto tcp ct direction original ct state new add @pairs { ip saddr . ip daddr ct count over ${most} } counter drop`,
    ],
  };
}

/** Each by the policy of the catalogue that it is a form of; what it takes of that policy, and where the client is. */
type MakeForm = (policy: CatalogueNumbers, clientHost: string) => PacketPolicy;

/** What a packet form takes of its policy in the catalogue. */
export interface CatalogueNumbers {
  readonly id: string;
  readonly lastsMs: number;
  readonly allowedRate: number | null;
}

const simple =
  (name: string, ...rules: string[]): MakeForm =>
  ({ id }) => ({ id, name, rules });

const FORMS: Readonly<Record<string, MakeForm>> = {
  'C01-tls-reset': ({ lastsMs }) => cutAtAge(lastsMs / 1000),
  'C02-5': ({ allowedRate }, clientHost) => throttled(allowedRate ?? 0, clientHost),
  'C02-1': ({ allowedRate }, clientHost) => throttled(allowedRate ?? 0, clientHost),
  'C03-drop': simple('TCP to other ports than 80 is dropped', 'tcp dport != 80 ct direction original counter drop'),
  C08: simple('UDP is off, but for port 53', 'meta l4proto udp udp dport != 53 counter drop'),
  'C09-total': simple('nothing passes', 'counter drop'),
  'C10-5': (_policy, clientHost) => lossy(5, clientHost),
  'C10-15': (_policy, clientHost) => lossy(15, clientHost),
  'C10-50': (_policy, clientHost) => lossy(50, clientHost),
  'C21-tcp-443': () => resetPort(443),
  'C24-port': simple('TCP to port 22 is dropped', 'tcp dport 22 counter drop'),
  'C33-12': () => crowded(12),
  'C33-2': () => crowded(2),
  'C34-bytes': simple('a connection falls silent after 16 kB from the server', 'ct reply bytes > 16000 counter drop'),
  // The kernel counts packets without data, too, which are about as many.
  'C34-packets': () => frozen(50),
};

/**
 * A policy of the catalogue as a packet filter can have it; null for one that looks into packets. What the kernel does not know is left out: an age
 * is one of all TCP, bytes and packets are counted with their headers.
 */
export function packetFormOf(policy: CatalogueNumbers, clientHost: string): PacketPolicy | null {
  const make = FORMS[policy.id];
  return make === undefined ? null : { ...make(policy, clientHost), id: policy.id };
}

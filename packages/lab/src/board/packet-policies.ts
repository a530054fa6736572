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

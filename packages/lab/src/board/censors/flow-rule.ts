import type { Random, SocketAddress } from '@rozan/tunnel';

/** What a rule makes of a connection at this moment. */
export type Verdict =
  | { readonly act: 'pass' }
  /** Nothing goes through any more, and nobody is told. */
  | { readonly act: 'drop' }
  /** Both ends see a reset. */
  | { readonly act: 'reset' }
  /** So many bytes a second, in each direction, for all connections of the user together. */
  | { readonly act: 'police'; readonly bytesPerSecond: number }
  /** When the connection has reached this age. */
  | { readonly act: 'at-age'; readonly ageMs: number; readonly then: 'drop' | 'reset' };

/** Nothing to object to so far. */
export const PASS: Verdict = { act: 'pass' };
/** Silence. */
export const DROP: Verdict = { act: 'drop' };
/** A reset both ways. */
export const RESET: Verdict = { act: 'reset' };

/** A connection as a censor sees it. */
export interface Flow {
  readonly userHost: string;
  readonly server: SocketAddress;
  /** When its first packet came. */
  readonly openedMs: number;
}

/** Bytes of one packet; the same bytes the receiver gets. */
export interface Packet {
  readonly from: 'client' | 'server';
  readonly bytes: Buffer;
  /** Its place among all packets of the connection that carry data, from 0; and among those of its direction. */
  readonly index: number;
  readonly indexInDirection: number;
  readonly nowMs: number;
}

/** A rule, over all connections that pass a censor. Pure but for what it remembers: times and randomness are handed in. */
export interface FlowRule {
  /** A connection is being opened. */
  onOpen?(flow: Flow): Verdict;
  /** A packet with data comes. The verdict stands before the packet goes on. */
  onPacket?(flow: Flow, packet: Packet): Verdict;
  /** A connection has ended. */
  onClose?(flow: Flow): void;
}

/** A censor's documented behaviour, as a rule that can be made anew for each cell. */
export interface Policy {
  readonly id: string;
  readonly name: string;
  readonly source: string;
  /** Our own numbers in it, that no source gives. */
  readonly ours?: string;
  /** Why no transport that exists can pass; unset where one should. */
  readonly hopeless?: string;
  /** How long a download has to last for the rule to meet it; 0 where age does not matter. */
  readonly lastsMs?: number;
  /** What it lets one user have, in bytes a second. */
  readonly allowedRate?: number;
  /** What has to be hit, as the control: the first bytes of a connection, and to where. */
  readonly control: { readonly traffic: string; readonly first: Buffer; readonly server: SocketAddress };
  createRule(random: Random): FlowRule;
}

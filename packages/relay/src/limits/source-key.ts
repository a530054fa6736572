import { hash } from 'node:crypto';
import { parseIpAddress } from '@rozan/protocol';
import type { Random } from '@rozan/tunnel';
import { cidrContains, maskAddress, parseCidr } from '../egress/cidr.ts';

const KEY_BYTES = 32;
const HASH_BYTES = 12;
const IPV4_PREFIX_BITS = 24;
const IPV6_PREFIX_BITS = 48;
const MAPPED_HEAD = Buffer.from('00000000000000000000ffff', 'hex');

/** Whom a connection is counted under: a keyed hash of its network, which nobody can turn back into an address. */
export interface Source {
  readonly key: string;
  /**
   * The peer is a program of this machine, such as a web server or a pluggable transport in front of the relay. It stands for everyone,
   * so the caps of one prefix say nothing about it and do not hold for it.
   */
  readonly isLocal: boolean;
}

const LOOPBACK = ['127.0.0.0/8', '::1/128'].map(parseCidr);

/** Whether an address of 4 or 16 bytes is loopback. */
function isLoopback(address: Buffer): boolean {
  return LOOPBACK.some((block) => block !== null && cidrContains(block, address));
}

function prefixOf(address: Buffer): Buffer {
  return maskAddress(address, address.length === 4 ? IPV4_PREFIX_BITS : IPV6_PREFIX_BITS);
}

/** The address behind a literal; a dual-stack listener shows IPv4 peers as IPv4-mapped ones. */
function readAddress(literal: string): Buffer | undefined {
  const address = parseIpAddress(literal.replace(/%.*$/, ''));
  return address?.subarray(0, 12).equals(MAPPED_HEAD) ? address.subarray(12) : address;
}

/** Tells sources apart by prefix (IPv4 /24, IPv6 /48), under a key that lives as long as the process. */
export class SourceKeys {
  readonly #hashKey: Buffer;

  constructor(random: Random) {
    this.#hashKey = random.bytes(KEY_BYTES);
  }

  /** A keyed hash of `bytes`, of 12 bytes as text. */
  hash(bytes: Buffer | string): string {
    // One-shot, since every connection asks. The key has a fixed length and most of the hash is cut off, so nothing can be appended.
    const input = Buffer.concat([this.#hashKey, Buffer.from(bytes)]);
    return hash('sha256', input, 'latin1').slice(0, HASH_BYTES);
  }

  /** The source of a connection. Those whose address is unknown are one source together. */
  sourceOf(remoteAddress: string | undefined): Source {
    const address = remoteAddress === undefined ? undefined : readAddress(remoteAddress);
    if (address === undefined) return { key: this.hash('unknown'), isLocal: false };
    return { key: this.hash(prefixOf(address)), isLocal: isLoopback(address) };
  }
}

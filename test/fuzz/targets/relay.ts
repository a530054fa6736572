import { isDeepStrictEqual } from 'node:util';
import { formatIpAddress, parseIpAddress } from '../../../packages/protocol/src/target.ts';
import { formatRelayConfig, parseRelayConfig } from '../../../packages/relay/src/data-folder/relay-config.ts';
import { cidrContains, parseCidr } from '../../../packages/relay/src/egress/cidr.ts';
import { isAllowed, parseAllowRule } from '../../../packages/relay/src/egress/guard.ts';
import { readHost } from '../../../packages/relay/src/egress/legacy-literal.ts';
import { type FuzzTarget, holds } from '../target.ts';
import { words } from '../words.ts';

const toText = (input: Buffer): string => input.toString('latin1');

function readCidr(input: Buffer): string {
  const block = parseCidr(toText(input));
  const rule = parseAllowRule(toText(input));
  if (rule !== null) holds(cidrContains(rule.block, rule.block.address), 'a block does not hold its own address');
  if (block === null) return `none ${rule !== null}`;
  const again = parseCidr(`${formatIpAddress(block.address)}/${block.prefixBits}`);
  holds(
    again?.address.equals(block.address) === true && again.prefixBits === block.prefixBits,
    'a block has two notations',
  );
  return `block ${block.address.length} ${rule !== null}`;
}

/** Whatever notation an address comes in: where the system would read it as one of its own, the guard must refuse it. */
function guardHost(input: Buffer): string {
  const host = readHost(toText(input));
  if (host.kind !== 'address') return host.kind;
  const bytes = parseIpAddress(host.address);
  holds(bytes !== undefined, 'an address that is none');
  const isAdmitted = isAllowed(host.address, 443, { allow: [], ownAddresses: [] });
  const isInner = bytes.length === 4 && [0, 10, 127].includes(bytes[0] ?? 0);
  holds(!(isInner && isAdmitted), 'an inner address was let through');
  return `address ${bytes.length} ${isAdmitted}`;
}

function readConfig(input: Buffer): string {
  const config = parseRelayConfig(input);
  holds(
    isDeepStrictEqual(parseRelayConfig(formatRelayConfig(config)), config),
    'a configuration does not survive being written',
  );
  return `config ${config.channels.length}`;
}

const CONFIG = formatRelayConfig({
  staticKey: Buffer.alloc(32, 1),
  signingKey: Buffer.alloc(32, 2),
  channels: [{ id: 'main', accessSecret: Buffer.alloc(32, 3) }],
  listen: [{ transport: 'opaque', address: { host: '203.0.113.7', port: 443 }, settings: {} }],
  addresses: [],
  strangerIdleMs: 900_000,
});

export const RELAY_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'egress-rule',
    run: readCidr,
    seeds: words('203.0.113.0/24', '2001:db8::/32', '[fd00::/8]:443', '203.0.113.7:80', '::1'),
    maxBytes: 80,
    dictionary: words('/', '::', ':', '/0', '/128', '/32', '[', ']'),
    allowedErrors: [],
  },
  {
    name: 'egress-host',
    run: guardHost,
    seeds: words(
      '127.1',
      '0x7f.1',
      '017700000001',
      '2130706433',
      '[::1]',
      '::ffff:127.0.0.1',
      'site.example',
      '203.0.113.7.',
    ),
    maxBytes: 80,
    dictionary: words('0x', '.', '::', 'ffff', '%', '127', '10', '4294967295'),
    allowedErrors: [],
  },
  {
    name: 'relay-config',
    run: readConfig,
    seeds: [CONFIG],
    maxBytes: 4000,
    dictionary: words('"version": 1', '"version": 2', 'null', '[]', '{}', '"channels": [', '-0', '1e999'),
    allowedErrors: ['RelayError'],
  },
];

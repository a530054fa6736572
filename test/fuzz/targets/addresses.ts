import { isIP } from 'node:net';
import {
  decodeTarget,
  encodeTarget,
  formatHostPort,
  formatIpAddress,
  parseHostPort,
  parseIpAddress,
} from '../../../packages/protocol/src/target.ts';
import { formatAddress, parseAddress } from '../../../packages/tunnel/src/address.ts';
import { type FuzzTarget, holds } from '../target.ts';

const allowedErrors = ['ProtocolError', 'TunnelError'];

const ADDRESS_TEXTS = [
  '203.0.113.7',
  '2001:db8::7',
  '::',
  '::1',
  '::ffff:192.0.2.1',
  '1:2:3:4:5:6:7:8',
  'fe80::1%eth0',
];
const dictionary = ['::', ':', '.', '0', 'ffff', '255', '256', '%', '[', ']', 'xn--', '65535', '65536'].map((word) =>
  Buffer.from(word),
);

const toText = (input: Buffer): string => input.toString('latin1');

function readTargetBytes(input: Buffer): string {
  const target = decodeTarget(input);
  const again = decodeTarget(encodeTarget(target));
  holds(again.host === target.host && again.port === target.port, 'a target does not survive being written');
  return `target ${input[0]}`;
}

function readHostPort(input: Buffer): string {
  const target = parseHostPort(toText(input));
  const again = parseHostPort(formatHostPort(target));
  holds(again.host === target.host && again.port === target.port, 'a target does not survive being written');
  holds(encodeTarget(target).length <= 260, 'a target is too long to be sent');
  return `host ${isIP(target.host)}`;
}

/** Node's own parser is the other opinion; of zones it takes more than we do. */
function readIpAddress(input: Buffer): string {
  const text = toText(input);
  const bytes = parseIpAddress(text);
  const expectedBytes = { 0: undefined, 4: 4, 6: 16 }[text.includes('%') ? 0 : isIP(text)];
  holds(bytes?.length === expectedBytes, 'two parsers disagree about an address');
  if (bytes === undefined) return 'no address';
  holds(parseIpAddress(formatIpAddress(bytes))?.equals(bytes) === true, 'an address does not survive being written');
  return `address ${bytes.length}`;
}

function readSocketAddress(input: Buffer): string {
  const text = toText(input);
  const address = parseAddress(text);
  holds(formatAddress(address) === text, 'an address has two texts');
  holds(isIP(address.host) > 0, 'not an address');
  return `address ${isIP(address.host)}`;
}

export const ADDRESS_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'target',
    run: readTargetBytes,
    seeds: ['203.0.113.7', '2001:db8::7', 'site.example', 'a'.repeat(63)].map((host) =>
      encodeTarget({ host, port: 443 }),
    ),
    maxBytes: 300,
    dictionary,
    allowedErrors,
  },
  {
    name: 'host-port',
    run: readHostPort,
    seeds: ['203.0.113.7:443', '[2001:db8::7]:8443', 'site.example:80', 'site.example.:1'].map((text) =>
      Buffer.from(text),
    ),
    maxBytes: 300,
    dictionary,
    allowedErrors,
  },
  {
    name: 'ip-address',
    run: readIpAddress,
    seeds: ADDRESS_TEXTS.map((text) => Buffer.from(text)),
    maxBytes: 60,
    dictionary,
    allowedErrors,
  },
  {
    name: 'socket-address',
    run: readSocketAddress,
    seeds: ['203.0.113.7:443', '[2001:db8::7]:0'].map((text) => Buffer.from(text)),
    maxBytes: 80,
    dictionary,
    allowedErrors,
  },
];

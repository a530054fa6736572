import { parseAbsoluteForm, parseAuthority } from '../../../packages/client/src/local-proxy/http-target.ts';
import { Socks5Machine, type SocksEvent } from '../../../packages/client/src/local-proxy/socks5-machine.ts';
import { parseTarget } from '../../../packages/client/src/local-proxy/target-host.ts';
import { readUdpHeader } from '../../../packages/client/src/local-proxy/udp-header.ts';
import { encodeTarget, formatHostPort, type Target } from '../../../packages/protocol/src/target.ts';
import { type FuzzTarget, holds } from '../target.ts';

/** What a SOCKS server says when the bytes come in pieces of that size; what follows the request is put together again. */
function converse(input: Buffer, pieceBytes: number): string[] {
  const machine = new Socks5Machine();
  const said: string[] = [];
  let rest: Buffer | null = null;
  for (let offset = 0; offset < input.length; offset += pieceBytes) {
    const piece = Buffer.from(input.subarray(offset, offset + pieceBytes));
    const events = machine.receive(piece);
    if (rest !== null) rest = Buffer.concat([rest, piece]);
    for (const event of events) {
      said.push(describe(event));
      if (event.type === 'connect') rest = event.rest;
    }
  }
  return rest === null ? said : [...said, `rest ${rest.toString('hex')}`];
}

function describe(event: SocksEvent): string {
  if (event.type === 'reply') return `reply ${event.bytes.toString('hex')}`;
  if (event.type === 'refused') return `refused ${event.reason}`;
  if (event.type === 'associate') return 'associate';
  encodeTarget(event.target);
  return `connect ${event.version} ${formatHostPort(event.target)}`;
}

function readSocks(input: Buffer): string {
  const whole = converse(input, input.length);
  holds(whole.join('\n') === converse(input, 1).join('\n'), 'it matters in which pieces the bytes come');
  return whole
    .map((line) => line.split(' ', 2).join(' '))
    .join(', ')
    .replace(/rest .*/, 'rest');
}

function readUdp(input: Buffer): string {
  const head = readUdpHeader(input);
  if (typeof head === 'string') return head;
  checkTarget(head.target);
  holds(head.headerBytes <= input.length, 'a header longer than its datagram');
  for (let length = 0; length < head.headerBytes; length++) {
    holds(readUdpHeader(input.subarray(0, length)) === 'malformed', 'a header was read that is not all there');
  }
  return `taken ${input[3]} ${input.length > head.headerBytes}`;
}

/** A target in our one notation, which it must keep. */
function checkTarget(target: Target): void {
  encodeTarget(target);
  const again = parseTarget(target.host, target.port);
  holds(again?.host === target.host && again.port === target.port, 'a target has two notations');
}

function readHttpTarget(input: Buffer): string {
  const text = input.toString('latin1');
  const authority = parseAuthority(text);
  if (authority !== undefined) checkTarget(authority);
  const form = parseAbsoluteForm(text, input.length % 2 === 0 ? 'GET' : 'OPTIONS');
  if (typeof form === 'string') return `${form} ${authority !== undefined}`;
  checkTarget(form.target);
  holds(/^(?:\/|\*$)/.test(form.path) && !form.path.includes('#'), 'not a path');
  holds(!/[\s@]/.test(form.hostField), 'not a Host field');
  return `absolute ${form.path.length > 1} ${form.target.port === 80}`;
}

function readHost(input: Buffer): string {
  const target = parseTarget(input.toString('utf8'), 443);
  if (target === undefined) return 'none';
  checkTarget(target);
  return target.host.includes(':') ? 'IPv6' : `labels ${Math.min(target.host.split('.').length, 4)}`;
}

const hex = (text: string): Buffer => Buffer.from(text, 'hex');
const text = (...texts: readonly string[]): Buffer[] => texts.map((one) => Buffer.from(one));

export const LOCAL_PROXY_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'socks',
    run: readSocks,
    seeds: [
      hex('05010005010001cb00710701bb616263'),
      Buffer.concat([hex('050200020501000307'), Buffer.from('a.b.com'), hex('0050')]),
      hex('0501020101610162050100042001000000000000000000000000000701bb'),
      Buffer.concat([hex('0401005000000001'), Buffer.from('me\0site.example\0rest')]),
      hex('04010050cb00710700'),
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    ],
    maxBytes: 1200,
    dictionary: text('localhost', '127.1', 'xn--', '\u00e9', '%2e', '[::1]'),
    allowedErrors: [],
  },
  {
    name: 'udp-header',
    run: readUdp,
    seeds: [
      hex('00000001c00002010035616263'),
      hex('000000042001067c027c000000000000000000070035'),
      Buffer.concat([hex('0000000307'), Buffer.from('a.b.com'), hex('0035ff')]),
      hex('00000101c00002010035'),
    ],
    maxBytes: 600,
    allowedErrors: [],
  },
  {
    name: 'http-target',
    run: readHttpTarget,
    seeds: text(
      'site.example:443',
      '[2001:db8::7]:80',
      'http://site.example/path?query',
      'http://[::1]:8080',
      'http://a@b/',
      '/path',
    ),
    maxBytes: 400,
    dictionary: text('http://', 'https://', ':80', '@', '#', '?', '%00', '\u00e9', '[', ']', '0x7f.1', '\t'),
    allowedErrors: [],
  },
  {
    name: 'target-host',
    run: readHost,
    seeds: text(
      'site.example',
      'b\u00fccher.example',
      '0x7f.1',
      '[::1]',
      '::ffff:1.2.3.4',
      'a.',
      '\u0627\u0644.example',
    ),
    maxBytes: 300,
    dictionary: text('xn--', '\u00ad', '\u3002', '\uff0e', '.', '..', '\u00df', '%41', '\u200d'),
    allowedErrors: [],
  },
];

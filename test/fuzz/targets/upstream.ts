import { parseStored } from '../../../packages/client/src/establish/way-memory.ts';
import { TunnelError } from '../../../packages/tunnel/src/errors.ts';
import { HttpConnectTalk } from '../../../packages/tunnel/src/upstream/http-connect.ts';
import type { ProxyTalk } from '../../../packages/tunnel/src/upstream/proxy-talk.ts';
import { Socks5Talk } from '../../../packages/tunnel/src/upstream/socks5-talk.ts';
import { parseUpstreamProxy } from '../../../packages/tunnel/src/upstream/upstream-url.ts';
import { type FuzzTarget, holds } from '../target.ts';

const TARGET = { host: 'relay.example', port: 443 };
const LOGIN = { user: 'me', password: 'secret' };

/** How a conversation ends when the proxy's bytes come in pieces of that size. */
function converse(talk: ProxyTalk, input: Buffer, pieceBytes: number): string {
  const sent = [talk.start()];
  try {
    for (let offset = 0; offset < input.length; offset += pieceBytes) {
      const end = offset + pieceBytes;
      const { send, leftover } = talk.receive(Buffer.from(input.subarray(offset, end)));
      sent.push(...send);
      if (leftover === null) continue;
      const rest = Buffer.concat([leftover, input.subarray(end)]);
      return `connected ${Buffer.concat(sent).toString('hex')} ${rest.toString('hex')}`;
    }
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    holds(!error.message.includes(LOGIN.password), 'an error that holds the password');
    return error.code;
  }
  return `waits ${Buffer.concat(sent).toString('hex')}`;
}

function readTalk(create: () => ProxyTalk): (input: Buffer) => string {
  return (input) => {
    const whole = converse(create(), input, Math.max(1, input.length));
    holds(whole === converse(create(), input, 1), 'it matters in which pieces the bytes come');
    return whole.split(' ', 1)[0] ?? '';
  };
}

function readUrl(input: Buffer): string {
  const proxy = parseUpstreamProxy(input.toString('utf8'));
  holds(proxy.port >= 1 && proxy.port <= 0xffff && proxy.host !== '', 'not a place');
  return `${proxy.kind} ${proxy.credentials !== null} ${proxy.host.includes(':')}`;
}

function readStored(input: Buffer): string {
  const stored = parseStored(input.toString('utf8'));
  return stored === null ? 'none' : `${stored.networks.length} ${stored.sample.tags.length}`;
}

const text = (...texts: readonly string[]): Buffer[] => texts.map((one) => Buffer.from(one));
const SALT = 'AAAAAAAAAAAAAAAAAAAAAA';

export const UPSTREAM_TARGETS: readonly FuzzTarget[] = [
  {
    name: 'upstream-http',
    run: readTalk(() => new HttpConnectTalk(TARGET, LOGIN)),
    seeds: text('HTTP/1.1 200 OK\r\nA: b\r\n\r\nrest', 'HTTP/1.0 407 No\r\n\r\n', 'HTTP/1.1 503\r\n\r\n', 'SSH-2.0'),
    maxBytes: 2000,
    dictionary: text('\r\n\r\n', 'HTTP/1.1 ', '502', '504', '200'),
    allowedErrors: [],
  },
  {
    name: 'upstream-socks',
    run: readTalk(() => new Socks5Talk(TARGET, LOGIN)),
    seeds: [
      Buffer.from('0500050000010000000000006162', 'hex'),
      Buffer.from('0502010005000003016100506162', 'hex'),
      Buffer.from('05020101', 'hex'),
      Buffer.from('05000505', 'hex'),
    ],
    maxBytes: 600,
    allowedErrors: [],
  },
  {
    name: 'upstream-url',
    run: readUrl,
    seeds: text('http://192.0.2.1:3128', 'socks5://me:p%3A@[2001:db8::1]:1080', 'http://proxy.example', 'https://h'),
    maxBytes: 400,
    dictionary: text('://', '@', ':', '%40', '[', ']', 'socks5h'),
    allowedErrors: ['TunnelError'],
  },
  {
    name: 'ways-file',
    run: readStored,
    seeds: text(
      `{"v":1,"salt":"${SALT}","sample":{"drawnMs":1,"tags":["a"]},"networks":[]}`,
      `{"v":1,"salt":"${SALT}","sample":{"drawnMs":0,"tags":[]},"networks":[{"name":"n","ways":[{"way":"w","workedMs":2}]}]}`,
    ),
    maxBytes: 600,
    dictionary: text('"v":1', 'null', '[]', '{}', '1e999', '"ways"'),
    allowedErrors: [],
  },
];

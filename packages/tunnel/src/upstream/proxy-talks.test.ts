import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatHostPort } from '@rozan/protocol';
import fc from 'fast-check';
import { TunnelError } from '../errors.ts';
import { HttpConnectTalk } from './http-connect.ts';
import type { ProxyTalk } from './proxy-talk.ts';
import { Socks5Talk } from './socks5-talk.ts';
import { parseUpstreamProxy } from './upstream-url.ts';

const TARGET = { host: '192.0.2.7', port: 443 };
const LOGIN = { user: 'ada', password: 'pass' };

/** All that is sent, and what was left over; byte by byte or in other pieces. */
function run(talk: ProxyTalk, bytes: Buffer, pieceBytes: number): { sent: Buffer; leftover: Buffer | null } {
  const sent = [talk.start()];
  for (let offset = 0; offset < bytes.length; offset += pieceBytes) {
    const { send, leftover } = talk.receive(bytes.subarray(offset, offset + pieceBytes));
    sent.push(...send);
    if (leftover !== null) {
      return { sent: Buffer.concat(sent), leftover: Buffer.concat([leftover, bytes.subarray(offset + pieceBytes)]) };
    }
  }
  return { sent: Buffer.concat(sent), leftover: null };
}

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof TunnelError, String(error));
    return error.code;
  }
  return 'none';
}

const neverThrowsOther = (create: () => ProxyTalk) => {
  const piece = fc.uint8Array({ minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      const talk = create();
      codeOf(() => pieces.some((bytes) => talk.receive(Buffer.from(bytes)).leftover !== null));
    }),
  );
};

describe('asking an HTTP proxy', () => {
  const answer = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nbehind');

  it('sends one request, and hands on what comes behind the head, in any pieces', () => {
    const request =
      'CONNECT 192.0.2.7:443 HTTP/1.1\r\nHost: 192.0.2.7:443\r\nProxy-Authorization: Basic YWRhOnBhc3M=\r\n\r\n';
    for (const pieceBytes of [1, 2, 3, 7, 1000]) {
      const { sent, leftover } = run(new HttpConnectTalk(TARGET, LOGIN), answer, pieceBytes);
      assert.equal(String(sent), request);
      assert.equal(String(leftover), 'behind');
    }
    assert.equal(
      String(new HttpConnectTalk({ host: '2001:db8::7', port: 8443 }, null).start()),
      'CONNECT [2001:db8::7]:8443 HTTP/1.1\r\nHost: [2001:db8::7]:8443\r\n\r\n',
    );
  });

  it('tells refusals apart', () => {
    const codes = { 407: 'proxy-login', 403: 'proxy-denied', 405: 'proxy-denied', 302: 'proxy-denied', 502: 'refused' };
    for (const [status, code] of Object.entries({ ...codes, 503: 'refused', 504: 'timed-out', 999: 'proxy-failed' })) {
      const head = Buffer.from(`HTTP/1.0 ${status} Whatever\r\nA: b\r\n\r\n`);
      for (const pieceBytes of [1, 100]) {
        assert.equal(
          codeOf(() => run(new HttpConnectTalk(TARGET, null), head, pieceBytes)),
          code,
          status,
        );
      }
    }
  });

  it('ends with what is no HTTP, and with what never ends', () => {
    for (const text of ['SSH', '\r\n', 'HTTP/2', '\x05']) {
      assert.equal(
        codeOf(() => run(new HttpConnectTalk(TARGET, null), Buffer.from(text), 1)),
        'proxy-failed',
      );
    }
    const endless = Buffer.from(`HTTP/1.1 200 OK\r\nA: ${'b'.repeat(64 * 1024)}`);
    for (const pieceBytes of [999, endless.length]) {
      assert.equal(
        codeOf(() => run(new HttpConnectTalk(TARGET, null), endless, pieceBytes)),
        'proxy-failed',
      );
    }
  });

  it('knows no other errors, whatever comes', () => neverThrowsOther(() => new HttpConnectTalk(TARGET, LOGIN)));
});

describe('asking a SOCKS5 proxy', () => {
  const success = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0];
  const behind = Buffer.from('behind');

  it('goes through with and without a login, in any pieces', () => {
    const connect = [5, 1, 0, 1, 192, 0, 2, 7, 1, 187];
    const login = [1, 3, ...Buffer.from('ada'), 4, ...Buffer.from('pass')];
    for (const pieceBytes of [1, 2, 3, 5, 1000]) {
      const plain = run(new Socks5Talk(TARGET, null), Buffer.from([5, 0, ...success, ...behind]), pieceBytes);
      assert.deepEqual([...plain.sent], [5, 1, 0, ...connect]);
      assert.equal(String(plain.leftover), 'behind');
      const bytes = Buffer.from([5, 2, 1, 0, ...success, ...behind]);
      const known = run(new Socks5Talk(TARGET, LOGIN), bytes, pieceBytes);
      assert.deepEqual([...known.sent], [5, 2, 0, 2, ...login, ...connect]);
      assert.equal(String(known.leftover), 'behind');
    }
  });

  it('takes replies with addresses of every kind', () => {
    const addresses = [
      [1, 1, 2, 3, 4],
      [4, ...Buffer.alloc(16)],
      [3, 3, 97, 98, 99],
      [3, 0],
    ];
    for (const address of addresses) {
      const bytes = Buffer.from([5, 0, 5, 0, 0, ...address, 0, 80, ...behind]);
      assert.equal(String(run(new Socks5Talk(TARGET, null), bytes, 1).leftover), 'behind');
    }
  });

  it('sends IPv6 literals and names as what they are', () => {
    const sent = (host: string) => [...run(new Socks5Talk({ host, port: 80 }, null), Buffer.from([5, 0]), 2).sent];
    assert.deepEqual(sent('a.b').slice(3), [5, 1, 0, 3, 3, 97, 46, 98, 0, 80]);
    assert.deepEqual(sent('::1').slice(3), [5, 1, 0, 4, ...Buffer.alloc(15), 1, 0, 80]);
  });

  it('tells refusals apart, also short ones', () => {
    const codes = [
      'proxy-failed',
      'proxy-denied',
      'unreachable',
      'unreachable',
      'refused',
      'timed-out',
      'proxy-denied',
    ];
    for (const [index, code] of [...codes, 'proxy-denied', 'proxy-failed'].entries()) {
      const act = () => run(new Socks5Talk(TARGET, null), Buffer.from([5, 0, 5, index + 1]), 1);
      assert.equal(codeOf(act), code);
    }
    assert.equal(
      codeOf(() => run(new Socks5Talk(TARGET, LOGIN), Buffer.from([5, 0xff]), 1)),
      'proxy-login',
    );
    assert.equal(
      codeOf(() => run(new Socks5Talk(TARGET, LOGIN), Buffer.from([5, 2, 1, 1]), 1)),
      'proxy-login',
    );
    assert.equal(
      codeOf(() => run(new Socks5Talk(TARGET, null), Buffer.from([5, 2]), 1)),
      'proxy-failed',
    );
    assert.equal(
      codeOf(() => run(new Socks5Talk(TARGET, null), Buffer.from('HTTP'), 1)),
      'proxy-failed',
    );
  });

  it('knows no other errors, whatever comes', () => neverThrowsOther(() => new Socks5Talk(TARGET, LOGIN)));
});

describe('the URL of an upstream proxy', () => {
  it('may leave out the port, and decodes the login', () => {
    const http = { kind: 'http', host: '192.0.2.1', port: 80, credentials: null } as const;
    assert.deepEqual(parseUpstreamProxy('http://192.0.2.1'), http);
    assert.deepEqual(parseUpstreamProxy('HTTP://192.0.2.1:3128/'), { ...http, port: 3128 });
    assert.deepEqual(parseUpstreamProxy('http://[2001:db8::1]'), { ...http, host: '2001:db8::1' });
    assert.deepEqual(parseUpstreamProxy('socks5://a%40b:p%3A%2F@proxy.example:1081'), {
      kind: 'socks5',
      host: 'proxy.example',
      port: 1081,
      credentials: { user: 'a@b', password: 'p:/' },
    });
    assert.equal(parseUpstreamProxy('socks5h://[2001:db8::1]:9').port, 9);
    assert.deepEqual(parseUpstreamProxy('http://me@h').credentials, { user: 'me', password: '' });
  });

  it('is refused when it is none, without a word of it', () => {
    const texts = ['', 'secret', 'https://secret:8', 'http://', 'http://secret:x', 'http://u:%zz@secret', 'http://a b'];
    for (const text of [...texts, 'http://a:b@c:0', 'http://:p@h', 'http://h/path', `http://${'a'.repeat(300)}@h`]) {
      assert.throws(
        () => parseUpstreamProxy(text),
        (error: unknown) =>
          error instanceof TunnelError && error.code === 'bad-params' && !/secret/.test(error.message),
        text,
      );
    }
  });

  it('gives back what was put in, and fails by one error only', () => {
    const part = fc
      .string({ minLength: 1, maxLength: 20 })
      .filter((text) => !text.includes(':') && text.isWellFormed());
    fc.assert(
      fc.property(part, part, fc.integer({ min: 1, max: 65_535 }), (user, password, port) => {
        const place = formatHostPort({ host: 'proxy.example', port });
        const url = `http://${encodeURIComponent(user)}:${encodeURIComponent(password)}@${place}`;
        assert.deepEqual(parseUpstreamProxy(url), {
          kind: 'http',
          host: 'proxy.example',
          port,
          credentials: { user, password },
        });
      }),
    );
    fc.assert(fc.property(fc.string(), (text) => codeOf(() => parseUpstreamProxy(`http://${text}`)) !== ''));
  });
});

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import {
  array,
  assert as check,
  constantFrom,
  dictionary,
  property,
  string,
  stringMatching,
  uint8Array,
} from 'fast-check';
import { TunnelError } from '../../errors.ts';
import { SeededRandom } from '../../testing/seeded-random.ts';
import { checkArguments, formatArguments, parseArguments, socksLogin } from './arguments.ts';
import { ExtendedPreamble } from './ext-or-port.ts';
import { MAX_LINE_BYTES, MAX_START_BYTES } from './limits.ts';
import { ManagedLines, parseManagedLine, showReason } from './managed-lines.ts';
import { ManagedReport } from './managed-process.ts';
import { SocksAnswers } from './socks-connect.ts';

const isTyped = (error: unknown): boolean => error instanceof TunnelError;

/** What `act` throws has to be an error of ours. */
function typed(act: () => void): void {
  try {
    act();
  } catch (error) {
    assert.ok(isTyped(error), String(error));
  }
}

const text = stringMatching(/^[!-~]{1,20}$/);

test('arguments: what is written is read, for both separators', () => {
  for (const separator of [',', ';'] as const) {
    check(
      property(dictionary(text, text, { maxKeys: 6 }), (args) => {
        assert.deepEqual({ ...parseArguments(formatArguments(args, separator), separator) }, { ...args });
      }),
    );
    check(property(string(), (garbage) => void parseArguments(garbage, separator)));
  }
  assert.deepEqual(parseArguments('a=b\\,c,d\\=e=f=g', ','), { a: 'b,c', 'd=e': 'f=g' });
  for (const none of ['a', '=b', 'a=b,', 'a=b,a=c', 'a=b c', 'a=\\']) assert.equal(parseArguments(none, ','), null);
});

test('arguments: what does not fit into a login is refused, what comes from outside is checked', () => {
  assert.equal(socksLogin({}), null);
  assert.deepEqual(socksLogin({ a: 'b' }), { user: Buffer.from('a=b'), password: Buffer.alloc(1) });
  assert.equal(socksLogin({ a: 'x'.repeat(300) })?.password.length, 47);
  assert.throws(() => socksLogin({ a: 'x'.repeat(509) }), isTyped);
  for (const bad of [null, [], 'a', { a: 1 }, { '': 'a' }, { a: 'b c' }, { a: 'é' }]) {
    assert.throws(() => checkArguments(bad), isTyped);
  }
});

test('lines: those that an executable may write', () => {
  const address = { host: '127.0.0.1', port: 7 };
  assert.deepEqual(parseManagedLine('CMETHOD obfs4 socks5 127.0.0.1:7'), {
    type: 'method',
    name: 'obfs4',
    method: { address, protocol: 'socks5', args: {} },
  });
  assert.deepEqual(parseManagedLine('SMETHOD obfs4 127.0.0.1:7 FOO:1 ARGS:cert=a\\,b,iat-mode=0'), {
    type: 'method',
    name: 'obfs4',
    method: { address, protocol: '', args: { cert: 'a,b', 'iat-mode': '0' } },
  });
  assert.deepEqual(parseManagedLine('SMETHOD-ERROR obfs4 listen 203.0.113.7:443: taken by [2001:db8::7]:9'), {
    type: 'failed',
    name: 'obfs4',
    reason: 'listen (address): taken by (address)',
  });
  assert.equal(parseManagedLine('LOG SEVERITY=info MESSAGE="hello"').type, 'other');
  for (const line of ['CMETHOD', 'CMETHOD a', 'CMETHOD a socks6 127.0.0.1:7', 'CMETHOD a socks5 nowhere:7']) {
    assert.throws(() => parseManagedLine(line), isTyped);
  }
  for (const line of ['SMETHOD a 127.0.0.1:0', 'SMETHOD 9 127.0.0.1:7', 'SMETHOD a 127.0.0.1:7 ARGS:b']) {
    assert.throws(() => parseManagedLine(line), isTyped);
  }
});

test('lines: garbage is skipped or refused by an error of ours, also behind a keyword', () => {
  const keywords = ['VERSION', 'CMETHOD', 'SMETHOD', 'CMETHOD-ERROR', 'ENV-ERROR', 'PROXY', 'CMETHODS', 'LOG', ''];
  check(
    property(
      array(constantFrom(...keywords).chain((keyword) => string().map((rest) => `${keyword} ${rest}`))),
      (lines) =>
        typed(() => {
          const report = new ManagedReport({ method: 'obfs4', variables: {} });
          for (const line of lines) report.take(line);
        }),
    ),
  );
  check(property(string(), (reason) => assert.ok(!/\d\.\d+\.\d+\.\d/.test(showReason(reason)))));
});

test('lines: cut at any place they are the same; too long or too many, they are refused', () => {
  const output = Buffer.from('VERSION 1\r\nCMETHOD a socks5 127.0.0.1:7\nCMETHODS DONE\n');
  const whole = [...new ManagedLines().receive(output)];
  assert.equal(whole.length, 3);
  const lines = new ManagedLines();
  assert.deepEqual(
    [...output].flatMap((byte) => [...lines.receive(Buffer.from([byte]))]),
    whole,
  );
  assert.throws(() => [...new ManagedLines().receive(Buffer.alloc(MAX_LINE_BYTES + 1, 'x'))], isTyped);
  const many = new ManagedLines();
  assert.throws(() => {
    for (let bytes = 0; bytes <= MAX_START_BYTES; bytes += 100)
      [...many.receive(Buffer.from(`${'x'.repeat(99)}\n`))].at(0);
  }, isTyped);
  const drained = new ManagedLines();
  drained.drain();
  assert.deepEqual([...drained.receive(Buffer.alloc(10 * MAX_START_BYTES))], []);
});

test('SOCKS: answers are read byte by byte as at once', () => {
  const request = { target: { host: '127.0.0.1', port: 7 }, login: socksLogin({ a: 'b' }) };
  const answer = Buffer.concat([Buffer.from([5, 2, 1, 0, 5, 0, 0, 3, 1, 65, 0, 9]), Buffer.from('rest')]);
  const whole = new SocksAnswers(request).receive(answer);
  assert.equal(String(whole.leftover), 'rest');
  assert.equal(whole.send.length, 2);
  const answers = new SocksAnswers(request);
  const results = [...answer.subarray(0, 12)].map((byte) => answers.receive(Buffer.from([byte])));
  assert.deepEqual(
    results.flatMap(({ send }) => send),
    whole.send,
  );
  assert.deepEqual(results.map(({ leftover }) => leftover !== null).lastIndexOf(true), 11);
  assert.throws(() => new SocksAnswers({ ...request, login: null }).receive(Buffer.from([5, 0, 5, 5])), {
    code: 'refused',
  });
  assert.throws(() => new SocksAnswers(request).receive(Buffer.from([5, 2, 1, 1])), { code: 'bad-params' });
  check(
    property(uint8Array({ maxLength: 60 }), (bytes) =>
      typed(() => void new SocksAnswers(request).receive(Buffer.from(bytes))),
    ),
  );
});

/** What an executable sends, given what it has got. */
function executableHash(cookie: Buffer, greeting: Buffer, nonce: Buffer): Buffer {
  const textOf = 'ExtORPort authentication client-to-server hash';
  return createHmac('sha256', cookie).update(textOf).update(nonce).update(greeting.subarray(32, 64)).digest();
}

test('extended ORPort: the preamble is read byte by byte, and tells the address', () => {
  const cookie = Buffer.alloc(32, 7);
  const nonce = Buffer.alloc(32, 8);
  const preamble = new ExtendedPreamble(cookie, new SeededRandom(1));
  const feed = (bytes: Buffer) => {
    const results = [...bytes].map((byte) => preamble.receive(Buffer.from([byte])));
    return { sent: Buffer.concat(results.flatMap(({ send }) => send)), end: results.at(-1)?.end ?? null };
  };
  const { sent: greeting } = feed(Buffer.concat([Buffer.from([1]), nonce]));
  assert.equal(greeting.length, 64);
  assert.deepEqual(feed(executableHash(cookie, greeting, nonce)).sent, Buffer.from([1]));
  const address = Buffer.from('203.0.113.7:1234');
  const head = Buffer.from([0, 1, 0, address.length]);
  assert.equal(feed(Buffer.concat([head, address, Buffer.from([0, 2, 0, 1, 65])])).end, null);
  const { sent, end } = feed(Buffer.from([0, 0, 0, 0]));
  assert.deepEqual(sent, Buffer.from([0x10, 0, 0, 0]));
  assert.equal(end?.remoteAddress, '203.0.113.7');
});

test('extended ORPort: a wrong hash, and garbage, are refused', () => {
  const start = Buffer.concat([Buffer.from([1]), Buffer.alloc(64)]);
  assert.throws(() => new ExtendedPreamble(Buffer.alloc(32), new SeededRandom(1)).receive(start), isTyped);
  check(
    property(uint8Array({ maxLength: 200 }), (bytes) =>
      typed(() => void new ExtendedPreamble(Buffer.alloc(32), new SeededRandom(1)).receive(Buffer.from(bytes))),
    ),
  );
});

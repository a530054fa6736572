import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as check, property, string, uint8Array } from 'fast-check';
import { formatBridge, parseBridge } from './bridge-arguments.ts';
import { readPtRequest } from './environment.ts';
import { parseLogin, SocksGate, type SocksStep, socksReply } from './socks-gate.ts';

const field = (text: string) => Buffer.concat([Buffer.from([Buffer.byteLength(text)]), Buffer.from(text)]);
const HANDSHAKE = Buffer.concat([
  Buffer.from([5, 2, 0, 2, 1]),
  field('cert=AB=C;a\\;b=\\\\'),
  field('\0'),
  Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, 0x1f, 0x90]),
  Buffer.from('more'),
]);

function summary(steps: readonly SocksStep[]): unknown {
  return steps.map((step) =>
    step.type === 'connect' ? { ...step.request, rest: null, args: [...step.request.args] } : step,
  );
}

test('a handshake is read byte by byte as at once', () => {
  const whole = new SocksGate().receive(HANDSHAKE);
  const gate = new SocksGate();
  const steps = [...HANDSHAKE].flatMap((byte) => gate.receive(Buffer.from([byte])));
  assert.deepEqual(summary(steps), summary(whole));
  const [method, login, connect] = whole;
  assert.deepEqual(method, { type: 'reply', bytes: Buffer.from([5, 2]) });
  assert.deepEqual(login, { type: 'reply', bytes: Buffer.from([1, 0]) });
  assert.ok(connect?.type === 'connect');
  assert.deepEqual(connect.request.address, { host: '127.0.0.1', port: 8080 });
  assert.deepEqual(
    [...connect.request.args],
    [
      ['cert', 'AB=C'],
      ['a;b', '\\'],
    ],
  );
  assert.equal(String(connect.request.rest), 'more');
});

test('names, other commands and other versions are refused', () => {
  const after = (...bytes: number[]) => new SocksGate().receive(Buffer.from([5, 1, 0, ...bytes])).at(-1);
  assert.deepEqual(after(5, 1, 0, 3), { type: 'refused', bytes: socksReply('address-not-supported') });
  assert.deepEqual(after(5, 2, 0, 1), { type: 'refused', bytes: socksReply('not-supported') });
  assert.deepEqual(after(4), { type: 'refused', bytes: socksReply('failed') });
  assert.deepEqual(new SocksGate().receive(Buffer.from([4])), [{ type: 'refused', bytes: Buffer.alloc(0) }]);
  assert.deepEqual(new SocksGate().receive(Buffer.from([5, 1, 1])), [
    { type: 'refused', bytes: Buffer.from([5, 0xff]) },
  ]);
});

test('garbage never throws, and nothing follows a refusal', () => {
  check(
    property(uint8Array({ maxLength: 400 }), (bytes) => {
      const gate = new SocksGate();
      const steps = [...bytes].flatMap((byte) => gate.receive(Buffer.from([byte])));
      const last = steps.findIndex(({ type }) => type !== 'reply');
      assert.ok(last === -1 || last === steps.length - 1);
    }),
  );
});

test('arguments of a bridge come back as they were given, and garbage is none', () => {
  const bridge = { key: Buffer.alloc(32, 1), secret: Buffer.alloc(32, 2), params: { path: '/a b', port: 3 } };
  const args = formatBridge(bridge);
  assert.ok(args);
  assert.deepEqual(parseBridge(new Map(Object.entries(args))), bridge);
  assert.deepEqual(Object.keys(formatBridge({ ...bridge, params: {} }) ?? {}), ['cert']);
  assert.equal(formatBridge({ ...bridge, params: { long: 'x'.repeat(400) } }), null);
  check(
    property(string(), string(), (cert, params) => {
      const read = parseBridge(
        new Map([
          ['cert', cert],
          ['params', params],
        ]),
      );
      assert.ok(read === null || read.key.length === 32);
    }),
  );
  check(
    property(string(), (text) => {
      parseLogin(text);
    }),
  );
});

test('options reach the method that they are for', () => {
  const request = readPtRequest({
    TOR_PT_MANAGED_TRANSPORT_VER: '1,2',
    TOR_PT_STATE_LOCATION: '/nowhere',
    TOR_PT_SERVER_TRANSPORTS: 'a,b',
    TOR_PT_SERVER_BINDADDR: 'a-127.0.0.1:1,b-[::1]:2',
    TOR_PT_ORPORT: '127.0.0.1:3',
    TOR_PT_SERVER_TRANSPORT_OPTIONS: 'a:x=1\\;2;b:y=\\:z;a:u=v=w',
  });
  assert.deepEqual(request.side, {
    kind: 'server',
    orPort: { host: '127.0.0.1', port: 3 },
    methods: [
      { name: 'a', address: { host: '127.0.0.1', port: 1 }, options: { x: '1;2', u: 'v=w' } },
      { name: 'b', address: { host: '::1', port: 2 }, options: { y: ':z' } },
    ],
  });
});

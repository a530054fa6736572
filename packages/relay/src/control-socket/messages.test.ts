import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatLine, parseReply, parseRequest } from './messages.ts';

test('requests and replies read back as they were', () => {
  assert.equal(parseRequest(formatLine({ command: 'drain' })), 'drain');
  const result = { sessions: 3, draining: false };
  assert.deepEqual(parseReply(formatLine({ ok: true, result })), { ok: true, result });
  assert.deepEqual(parseReply(formatLine({ ok: false, error: 'no' })), { ok: false, error: 'no' });
});

test('what is neither is refused', () => {
  for (const text of [
    '',
    'null',
    '[]',
    '"drain"',
    '{}',
    '{"command":1}',
    '{"command":"Drain"}',
    '{"command":""}',
    '{"command":"a b"}',
    '{',
  ]) {
    assert.throws(() => parseRequest(text), { code: 'control-malformed' }, text);
  }
  for (const text of [
    '',
    '{}',
    '{"ok":true}',
    '{"ok":true,"result":[]}',
    '{"ok":true,"result":null}',
    '{"ok":false}',
    '{"ok":1,"result":{}}',
  ]) {
    assert.throws(() => parseReply(text), { code: 'control-malformed' }, text);
  }
});

test('no text crashes the parsers', () => {
  const text = fc.oneof(fc.string(), fc.json());
  fc.assert(
    fc.property(text, (line) => {
      for (const parse of [parseRequest, parseReply]) {
        try {
          parse(line);
        } catch (error) {
          assert.ok(error instanceof Error && 'code' in error && error.code === 'control-malformed');
        }
      }
    }),
  );
});

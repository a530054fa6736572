import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type ResetCode, resetCodeNumber, resetCodeOf } from './reset-code.ts';

const CODES: readonly ResetCode[] = [
  'cancelled',
  'refused',
  'unreachable',
  'timed-out',
  'name-not-found',
  'forbidden',
  'busy',
  'connection-reset',
  'session-lost',
  'relay-shutdown',
  'internal',
];

it('reset codes have the numbers of the specification', () => {
  CODES.forEach((code, number) => {
    assert.equal(resetCodeNumber(code), number);
    assert.equal(resetCodeOf(number), code);
  });
});

it('a reset code that nobody knows is read as internal', () => {
  for (const number of [11, 255, Number.MAX_SAFE_INTEGER]) assert.equal(resetCodeOf(number), 'internal');
});

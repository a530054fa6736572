import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClientState } from '../../../src/local-api/api-types.ts';
import { detailsOf, failureKey, titleKey } from './sentences.ts';

const CONNECTION = {
  looks: ['web'],
  carriers: 1,
  cuts: 0,
  waiting: false,
  rerouted: false,
  entry: 'x',
  region: null,
} as const;
const BASE: ClientState = {
  v: 1,
  phase: 'off',
  sinceMs: 0,
  attempt: null,
  connection: null,
  traffic: { bytesUp: 0, bytesDown: 0, upPerSecond: 0, downPerSecond: 0 },
  direct: 0,
  proxies: { socks: null, http: null, shared: false },
  entries: { total: 3, worked: 0, failed: 0 },
  homePage: null,
  systemProxy: 'off',
  restartNeeded: false,
  warnings: [],
  versions: { rozan: '0', api: 1 },
};

/** Keys and values in place of words. */
const details = (state: Partial<ClientState>) =>
  detailsOf({ ...BASE, ...state }, (key, values) => [key, ...Object.values(values ?? {})].join(' '));

test('each phase has its sentences', () => {
  assert.deepEqual(details({}), ['home.off.text']);
  assert.deepEqual(details({ phase: 'connecting' }), ['home.looking']);
  const attempt = { trying: 8, failed: 2, ways: 40, afterMs: 1 };
  assert.deepEqual(details({ phase: 'connecting', attempt }), ['home.trying 8 40', 'home.failed 2']);
  assert.deepEqual(details({ phase: 'blocked' }), ['home.blocked.text 3', 'home.looking']);
});

test('a connection says what it looks like, and that cuts have cost nothing', () => {
  const connected = (change: Partial<ClientState['connection']>) =>
    details({ phase: 'connected', connection: { ...CONNECTION, ...change } as ClientState['connection'] });
  assert.deepEqual(connected({}), ['home.looks.web']);
  assert.deepEqual(connected({ cuts: 3, rerouted: true }), ['home.looks.web', 'home.rerouted', 'home.cuts 3']);
  assert.deepEqual(connected({ waiting: true, cuts: 1 }), ['home.waiting.text', 'home.cuts 1']);
});

test('a connection that waits says so in its title', () => {
  assert.equal(titleKey(null), 'home.off.title');
  assert.equal(titleKey({ ...BASE, phase: 'blocked' }), 'home.blocked.title');
  const connection = { ...CONNECTION, looks: [...CONNECTION.looks], waiting: true };
  assert.equal(titleKey({ phase: 'connected', connection }), 'home.waiting.title');
});

test('a failure that is not known yet counts as broken off', () => {
  assert.equal(failureKey('timed-out'), 'failure.timed-out');
  assert.equal(failureKey('from-the-future'), 'failure.failed');
});

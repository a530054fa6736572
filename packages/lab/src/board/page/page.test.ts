import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Scoreboard } from '../scoreboard.ts';
import { formatScoreboard, shareText } from '../scoreboard.ts';
import { renderPage } from './page.ts';

const CELL = {
  reached: { k: 3, n: 4 },
  bootstrapMs: { p50: 1200, p95: 3400 },
  survival: null,
  failures: {},
  goodputShare: null,
  reconnectsPerHour: null,
  censor: { connections: 4, acted: 1 },
  probes: null,
};

const BOARD: Scoreboard = {
  v: 1,
  commit: 'abc',
  date: '2026-11-26T00:00:00Z',
  seed: 1,
  scenario: {
    kind: 'matrix',
    title: 'x',
    policies: [],
    subjects: [],
    adaptiveSessions: 4,
    otherSessions: 4,
    survivalBytes: 0,
    benignTimes: 0,
  },
  tookSeconds: 60,
  policies: [{ id: 'C01', name: 'a <b>name</b> & "more"', source: '</script><script>alert(1)</script>' }],
  subjects: [
    { name: 'one', family: 'ours', isAdaptive: true, labels: { nDPI: 'Unknown' } },
    { name: 'two', family: 'peer', isAdaptive: false, labels: {} },
  ],
  cells: [{ ...CELL, subject: 'one', policy: 'C01' }],
  falsePositives: [],
  controls: [{ policy: 'C01', traffic: 'x', hit: { k: 5, n: 40 } }],
  skipped: [{ name: 'three', why: 'not on this machine: x' }],
  replay: null,
};

test('the page needs nothing from elsewhere, and shows text as text', async () => {
  const page = await renderPage(BOARD);
  assert.doesNotMatch(page, /<(?:script|link|img|iframe)[^>]*\s(?:src|href)=/);
  assert.doesNotMatch(page, /<b>name|<script>alert/);
  assert.match(page, /a &lt;b&gt;name&lt;\/b&gt; &amp; &quot;more&quot;/);
  assert.match(page, />75<i> %<\/i>/);
  assert.match(page, /three \(not on this machine: x\)/);
});

test('the labels of the judges stand below the table, with the judges that are missing', async () => {
  const why = 'not installable here';
  const page = await renderPage({ ...BOARD, skipped: [...BOARD.skipped, { name: 'Suricata', why }] });
  assert.match(
    page,
    /What nDPI calls their traffic: one: Unknown, two: not asked\. Suricata: skipped, not installable here\./,
  );
  assert.doesNotMatch(page, /Suricata \(/);
});

test('what falls short is told on the page, and the adaptive client comes first', async () => {
  const cell = { ...CELL, subject: 'one', policy: 'C01', failures: { 'no byte came': 1 } };
  const [one, two] = BOARD.subjects;
  assert.ok(one && two);
  const page = await renderPage({ ...BOARD, subjects: [two, one], cells: [cell] });
  assert.match(page, /falls short[\s\S]*C01<\/th><td>3\/4 got through, [^<]+<\/td><td>1 times: no byte came/);
  assert.ok(page.indexOf('<span>one</span>') < page.indexOf('<span>two</span>'));
});

test('the table has a line for each policy, with the hit rate and what was skipped', () => {
  const text = formatScoreboard(BOARD);
  assert.match(text, /^C01 +3\/4 +· +5\/40 +–$/m);
  assert.match(text, /^skipped {2}three/m);
  assert.equal(shareText({ k: 3, n: 4 }), '75 % (30–95)');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatShareLink, signServerEntry } from '@rozan/protocol';
import fc from 'fast-check';
import { ENTRY_BOUNDS } from '../limits.ts';
import { EntryBook, type EntryOrigin } from './entry-book.ts';

const DAY_MS = 86_400_000;
const NOW_MS = Date.UTC(2026, 0, 1);

function linkOf(relay: number, { issuedMs = NOW_MS, days = 30 } = {}): string {
  const fields = {
    key: Buffer.alloc(32, relay),
    secret: Buffer.alloc(32, 3),
    issuedMs,
    expiresMs: issuedMs + days * DAY_MS,
    transports: [{ transport: 'opaque', addresses: ['192.0.2.1:443'], params: {} }],
  };
  return formatShareLink(signServerEntry(fields, Buffer.alloc(32, 1)));
}

const LINKS = Array.from({ length: 40 }, (_, index) => linkOf(index + 1));
const links = (...relays: readonly number[]) => relays.map((relay) => LINKS[relay] ?? '');
const relaysIn = (book: EntryBook, nowMs = NOW_MS) =>
  book
    .entries(nowMs)
    .map(({ key }) => Number(key[0]) - 1)
    .toSorted((a, b) => a - b);

test('what a list does not name any more goes, but for what a person has given', () => {
  const book = new EntryBook();
  assert.deepEqual(book.add(links(0, 1, 2), 'brand'), { added: 3, removed: 0 });
  book.add(links(3), 'hand');
  assert.deepEqual(book.follow(links(2, 4, 5), NOW_MS), { added: 2, removed: 2 });
  assert.deepEqual(relaysIn(book), [2, 3, 4, 5]);
});

test('the last ones never go, and of those that have to, the ones that have worked last', () => {
  const book = new EntryBook();
  book.add(links(0, 1, 2, 3, 4), 'brand');
  book.noteWorked(book.entries(NOW_MS)[4]?.tag ?? '', NOW_MS);
  const worked = Number(book.entries(NOW_MS)[4]?.key[0]) - 1;
  book.follow([], NOW_MS);
  assert.equal(book.size, ENTRY_BOUNDS.least);
  assert.ok(relaysIn(book).includes(worked));
  book.prune(NOW_MS + 31 * DAY_MS);
  assert.equal(book.size, ENTRY_BOUNDS.least, 'expired, but better than none');
});

test('no more than half of many entries are replaced in a day', () => {
  const book = new EntryBook();
  book.add(LINKS.slice(0, 20), 'list');
  const next = LINKS.slice(20, 40);
  assert.equal(book.follow(next, NOW_MS).removed, 20 * ENTRY_BOUNDS.goneShare);
  assert.equal(book.follow(next, NOW_MS + DAY_MS / 2).removed, 0);
});

test('an entry in a newer form takes the place of the one before, an older one does not', () => {
  const book = new EntryBook();
  const newer = linkOf(1, { issuedMs: NOW_MS + DAY_MS });
  book.add(links(0), 'brand');
  assert.equal(book.add([newer], 'list').added, 1);
  assert.equal(book.add(links(0), 'list').added, 0);
  assert.equal(book.entries(NOW_MS)[0]?.issuedMs, NOW_MS + DAY_MS);
  assert.equal(book.size, 1);
});

test("a brand's entries are taken once, so that those that have gone do not come back with each start", () => {
  let book = new EntryBook();
  assert.equal(book.addBrand(links(0, 1, 2, 3, 4)).added, 5);
  book.follow(links(10, 11, 12, 13), NOW_MS);
  const left = book.size;
  book = EntryBook.parse(book.format());
  assert.equal(book.addBrand(links(0, 1, 2, 3, 4)).added, 0);
  assert.equal(book.size, left);
  // Another brand file is news.
  book.addBrand(links(0, 1, 2, 3, 4, 5));
  assert.ok(relaysIn(book).includes(5) && relaysIn(book).includes(0));
});

test('a full book has room for what a person gives, and none for what a list does', () => {
  const book = new EntryBook();
  const many = Array.from({ length: ENTRY_BOUNDS.most + 1 }, (_, index) => linkOf(index + 1));
  const last = many.at(-1) ?? '';
  assert.equal(book.add(many.slice(0, -1), 'list').added, ENTRY_BOUNDS.most);
  const [first] = book.entries(NOW_MS);
  book.noteWorked(first?.tag ?? '', NOW_MS);
  assert.deepEqual(book.add([last], 'list'), { added: 0, removed: 0 });
  assert.deepEqual(book.add([last], 'hand'), { added: 1, removed: 1 });
  assert.equal(book.size, ENTRY_BOUNDS.most);
  assert.ok(book.linked.some(({ link }) => link === last));
  assert.ok(
    book.entries(NOW_MS).some(({ tag }) => tag === first?.tag),
    'what works stays',
  );
});

test('whatever happens: never fewer than the least, once there were as many, and a file that reads back', () => {
  const some = fc.uniqueArray(fc.nat({ max: 39 }), { maxLength: 12 });
  const step = fc.record({
    relays: some,
    what: fc.constantFrom('follow', 'brand', 'hand', 'prune'),
    days: fc.nat({ max: 20 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      let book = new EntryBook();
      let nowMs = NOW_MS;
      let most = 0;
      for (const { relays, what, days } of steps) {
        nowMs += days * DAY_MS;
        if (what === 'follow') book.follow(links(...relays), nowMs);
        else if (what === 'prune') book.prune(nowMs);
        else book.add(links(...relays), what as EntryOrigin);
        most = Math.max(most, book.size);
        assert.ok(book.size >= Math.min(most, ENTRY_BOUNDS.least));
        assert.ok(book.size <= ENTRY_BOUNDS.most);
        const text = book.format();
        book = EntryBook.parse(text);
        assert.equal(book.format(), text);
      }
    }),
  );
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => EntryBook.parse(text).size === 0));
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ProtocolError } from './errors.ts';
import { formatShareLink, formatShareLinkCapitals, parseEntryText, parseShareLink } from './share-link.ts';
import vectors from './vectors/server-entry.json' with { type: 'json' };

const envelope = fc.uint8Array({ minLength: 75, maxLength: 700 }).map((bytes) => Buffer.from(bytes));
const [firstVector, secondVector] = vectors.valid;
assert.ok(firstVector && secondVector);
const { link, capitals } = firstVector;
const first = Buffer.from(firstVector.envelope, 'hex');
const second = Buffer.from(secondVector.envelope, 'hex');

/** `text` with `separator` after every `every` characters. */
function wrap(text: string, every: number, separator: string): string {
  return (text.match(new RegExp(`.{1,${every}}`, 'g')) ?? []).join(separator);
}

describe('share link: vectors', () => {
  for (const vector of vectors.valid) {
    it(`writes and reads both forms: ${vector.name}`, () => {
      const bytes = Buffer.from(vector.envelope, 'hex');
      assert.equal(formatShareLink(bytes), vector.link);
      assert.equal(formatShareLinkCapitals(bytes), vector.capitals);
      assert.deepEqual(parseShareLink(vector.link), bytes);
      assert.deepEqual(parseShareLink(vector.capitals), bytes);
    });
  }
  for (const vector of vectors.links.accepted) {
    it(`reads: ${vector.name}`, () => assert.equal(parseShareLink(vector.text).toString('hex'), vector.envelope));
  }
  for (const vector of vectors.links.refused) {
    it(`refuses (${vector.code}): ${vector.name}`, () => {
      assert.throws(() => parseShareLink(vector.text), { name: 'ProtocolError', code: vector.code });
    });
  }
});

describe('share link', () => {
  it('comes back from any wrapping, in both forms', () => {
    fc.assert(
      fc.property(
        envelope,
        fc.integer({ min: 1, max: 100 }),
        fc.constantFrom('\n', '\r\n', ' ', '\n  '),
        (bytes, every, gap) => {
          assert.deepEqual(parseShareLink(wrap(formatShareLink(bytes), every, gap)), bytes);
          assert.deepEqual(parseShareLink(wrap(formatShareLinkCapitals(bytes).toLowerCase(), every, gap)), bytes);
        },
      ),
    );
  });

  it('in capitals uses only what the alphanumeric mode of a QR code has', () => {
    fc.assert(
      fc.property(envelope, (bytes) => assert.match(formatShareLinkCapitals(bytes), /^ROZAN:\/\/Q\/[A-Z2-7]+$/)),
    );
  });

  it('is a typed refusal or at least well-formed, whatever the text', () => {
    const body = fc.stringMatching(/^[A-Za-z0-9_+/=. -]{0,160}$/);
    fc.assert(
      fc.property(fc.oneof(fc.string(), body), fc.constantFrom('', 'rozan://', 'ROZAN://Q/'), (text, scheme) => {
        try {
          parseShareLink(scheme + text);
        } catch (error) {
          assert.ok(error instanceof ProtocolError, String(error));
        }
      }),
    );
  });

  it('has one text only: no other character at any place gives the same bytes', () => {
    for (let index = 'rozan://'.length; index < link.length; index += 1) {
      const changed = link.slice(0, index) + (link.charAt(index) === 'A' ? 'B' : 'A') + link.slice(index + 1);
      try {
        assert.notDeepEqual(parseShareLink(changed), first);
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String(error));
      }
    }
  });

  it('is not made of what cannot be an entry', () => {
    assert.throws(() => formatShareLink(Buffer.alloc(10)), { code: 'truncated' });
    assert.throws(() => formatShareLinkCapitals(Buffer.alloc(5000)), { code: 'out-of-bounds' });
  });

  it('is not quoted in refusals', () => {
    assert.throws(
      () => parseShareLink(`${link}+${link.slice(8)}`),
      (error) => error instanceof ProtocolError && !error.message.includes(link.slice(8, 20)),
    );
  });
});

describe('text of entries', () => {
  it('holds several links, comments and blank lines', () => {
    const text = `\ufeff# from a friend\r\n\r\n  ${link}  \r\n# another\n${secondVector.link}\n\n${capitals}`;
    assert.deepEqual(parseEntryText(text), [first, second, first]);
  });

  it('holds links that a mail program has wrapped', () => {
    const text = `${wrap(link, 72, '\n')}\n${wrap(secondVector.link, 76, '\r\n')}\n\n# end\n`;
    assert.deepEqual(parseEntryText(text), [first, second]);
  });

  it('names the line of what is wrong, and does not quote it', () => {
    assert.throws(() => parseEntryText(`# a\n\n${link.slice(0, 40)}\n`), { code: 'truncated', message: /^line 3: / });
    assert.throws(() => parseEntryText(`hello\n${link}`), {
      code: 'malformed',
      message: 'line 1: not a rozan:// link',
    });
    assert.throws(() => parseEntryText(`${link}\n\nhello`), {
      code: 'malformed',
      message: 'line 3: not a rozan:// link',
    });
    assert.throws(() => parseEntryText(`${link}\nhello there, friend!`), { code: 'malformed', message: /^line 1: / });
  });

  it('is bounded in bytes and entries, and not empty', () => {
    const short = formatShareLink(Buffer.alloc(75));
    assert.equal(parseEntryText(`${short}\n`.repeat(100)).length, 100);
    assert.throws(() => parseEntryText(`${short}\n`.repeat(101)), { code: 'out-of-bounds' });
    assert.throws(() => parseEntryText(`#${'é'.repeat(40_000)}`), { code: 'out-of-bounds' });
    for (const empty of ['', '\n\n', '# only this']) assert.throws(() => parseEntryText(empty), { code: 'malformed' });
  });

  it('is a typed refusal or a list, whatever the text', () => {
    const line = fc.oneof(fc.string(), fc.constantFrom(link, '#', '', 'rozan://', capitals, link.slice(0, 90)));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), fc.constantFrom('\n', '\r\n', '\r'), (lines, end) => {
        try {
          parseEntryText(lines.join(end));
        } catch (error) {
          assert.ok(error instanceof ProtocolError, String(error));
        }
      }),
    );
  });
});

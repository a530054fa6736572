// A list of papers (server entries, as signed bytes), and the difference of two lists (docs/spec/publication.md §4).
//
//   list  = (length u16 ‖ paper)*                       papers in the order of their bytes, none twice
//   delta = SHA-256 of the list before 32 ‖ SHA-256 of the list after 32 ‖ count u16 ‖ (first 8 bytes of SHA-256 of a paper that goes)* ‖ list of those that come
import { createHash } from 'node:crypto';
import { PublicationError } from '../errors.ts';
import { MAX_LIST_BYTES, MAX_LIST_PAPERS, MAX_PAPER_BYTES } from '../limits.ts';

const DIGEST_BYTES = 32;
const MARK_BYTES = 8;
const LENGTH_BYTES = 2;

/** The bytes of a list; the order of the papers does not matter. Throws a `PublicationError` (`too-large`). */
export function encodeList(papers: readonly Buffer[]): Buffer {
  const sorted = papers.toSorted(Buffer.compare).filter((paper, index, all) => all[index - 1]?.equals(paper) !== true);
  if (sorted.length > MAX_LIST_PAPERS) {
    throw new PublicationError('too-large', `a list has at most ${MAX_LIST_PAPERS} entries`);
  }
  const bytes = Buffer.concat(sorted.flatMap((paper) => [lengthOf(paper), paper]));
  if (bytes.length > MAX_LIST_BYTES) throw new PublicationError('too-large', 'the list of entries is too long');
  return bytes;
}

/** The papers of a list. Throws a `PublicationError` (`malformed`, `too-large`). */
export function decodeList(bytes: Buffer): Buffer[] {
  if (bytes.length > MAX_LIST_BYTES) throw new PublicationError('too-large', 'the list of entries is too long');
  const papers: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + LENGTH_BYTES > bytes.length) throw truncated();
    const end = at + LENGTH_BYTES + bytes.readUInt16BE(at);
    const paper = bytes.subarray(at + LENGTH_BYTES, end);
    if (end > bytes.length || paper.length === 0) throw truncated();
    if (paper.length > MAX_PAPER_BYTES) throw new PublicationError('too-large', 'an entry is too long');
    if (papers.length === MAX_LIST_PAPERS) throw new PublicationError('too-large', 'the list has too many entries');
    const last = papers.at(-1);
    if (last !== undefined && Buffer.compare(last, paper) >= 0) {
      throw new PublicationError('malformed', 'the entries of a list are out of order');
    }
    papers.push(paper);
    at = end;
  }
  return papers;
}

/** What makes the list `after` of the list `before`. */
export function encodeDelta(before: Buffer, after: Buffer): Buffer {
  const [old, next] = [decodeList(before), decodeList(after)];
  const [oldMarks, nextMarks] = [marksOf(old), marksOf(next)];
  const gone = [...oldMarks].filter(([mark]) => !nextMarks.has(mark)).map(([, paper]) => markOf(paper));
  const come = [...nextMarks].filter(([mark]) => !oldMarks.has(mark)).map(([, paper]) => paper);
  const count = Buffer.alloc(LENGTH_BYTES);
  count.writeUInt16BE(gone.length);
  return Buffer.concat([digestOf(before), digestOf(after), count, ...gone, encodeList(come)]);
}

/**
 * Makes the next list of the one before. Throws a `PublicationError`: `inconsistent` where the delta is for another list, or the outcome is
 * not the one that its maker had; `malformed`, `too-large`.
 */
export function applyDelta(before: Buffer, delta: Buffer): Buffer {
  const marksAt = 2 * DIGEST_BYTES + LENGTH_BYTES;
  if (delta.length < marksAt) throw truncated();
  const comeAt = marksAt + MARK_BYTES * delta.readUInt16BE(2 * DIGEST_BYTES);
  if (delta.length < comeAt) throw truncated();
  if (!digestOf(before).equals(delta.subarray(0, DIGEST_BYTES))) {
    throw new PublicationError('inconsistent', 'the delta is for another list of entries');
  }
  const papers = marksOf(decodeList(before));
  for (let at = marksAt; at < comeAt; at += MARK_BYTES) {
    papers.delete(delta.toString('hex', at, at + MARK_BYTES));
  }
  const after = encodeList([...papers.values(), ...decodeList(delta.subarray(comeAt))]);
  if (!digestOf(after).equals(delta.subarray(DIGEST_BYTES, 2 * DIGEST_BYTES))) {
    throw new PublicationError('inconsistent', 'the delta does not make the list that it should');
  }
  return after;
}

/** SHA-256 of a list's bytes. */
export function digestOf(list: Buffer): Buffer {
  return createHash('sha256').update(list).digest();
}

function markOf(paper: Buffer): Buffer {
  return digestOf(paper).subarray(0, MARK_BYTES);
}

function marksOf(papers: readonly Buffer[]): Map<string, Buffer> {
  return new Map(papers.map((paper) => [markOf(paper).toString('hex'), paper]));
}

function lengthOf(paper: Buffer): Buffer {
  if (paper.length === 0 || paper.length > MAX_PAPER_BYTES) {
    throw new PublicationError('too-large', `an entry has 1 to ${MAX_PAPER_BYTES} bytes`);
  }
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt16BE(paper.length);
  return length;
}

function truncated(): PublicationError {
  return new PublicationError('malformed', 'a part of the list of entries is missing');
}

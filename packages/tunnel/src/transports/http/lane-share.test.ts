import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mayPoll, mayUpload } from './lane-share.ts';
import { FEW_BYTES, KEPT_UPLOADS, MAX_LANES, MAX_POLLS, MAX_UPLOADS } from './limits.ts';

const MANY = 100_000;
const FEW = FEW_BYTES - 1;

/** Lets uploads of so many bytes, or polls, take lanes until they may take no more. */
function fill(first: 'uploads' | 'polls', bytes = MANY): { polls: number; uploads: number } {
  let polls = 1;
  const uploads: number[] = [];
  const use = () => ({ polls, wantedPolls: MAX_POLLS, uploads });
  const idle = () => MAX_LANES - polls - uploads.length;
  const upload = () => {
    while (idle() > 0 && mayUpload(use(), bytes)) uploads.push(bytes);
  };
  const poll = () => {
    while (idle() > 0 && polls < MAX_POLLS && mayPoll(use(), idle())) polls += 1;
  };
  for (const take of first === 'uploads' ? [upload, poll] : [poll, upload]) take();
  return { polls, uploads: uploads.length };
}

test('full both ways, either direction has its lanes, whichever came first', () => {
  for (const first of ['uploads', 'polls'] as const) {
    assert.deepEqual(fill(first), { polls: MAX_POLLS, uploads: KEPT_UPLOADS });
  }
});

test('a few bytes need not wait for others, and leave lanes to many', () => {
  const small = fill('uploads', FEW);
  assert.ok(small.uploads > 1 && small.uploads < MAX_LANES - MAX_POLLS);
  const uploads = Array.from({ length: KEPT_UPLOADS }, () => MANY);
  assert.ok(mayUpload({ polls: 1, wantedPolls: 1, uploads }, FEW), 'beside large ones too');
  assert.ok(mayUpload({ polls: 1, wantedPolls: 1, uploads: [FEW, FEW, FEW] }, MANY));
});

test('uploads alone take no more than their lanes, and with one lane it is the polls’ when there is none', () => {
  const uploads = Array.from({ length: MAX_UPLOADS }, () => MANY);
  assert.equal(mayUpload({ polls: 1, wantedPolls: 1, uploads }, MANY), false);
  assert.equal(mayPoll({ polls: 0, wantedPolls: 1, uploads: [] }, 1), true);
  assert.equal(mayPoll({ polls: 1, wantedPolls: 2, uploads: [] }, 1), false, 'the last lane is for bytes');
});

import { formatBrand, parseBrand } from '../../../packages/publication/src/brand/brand.ts';
import { commonSpan, judge } from '../../../packages/publication/src/fetch/freshness.ts';
import { spanOf, TrustedSet } from '../../../packages/publication/src/fetch/trusted-set.ts';
import { formatState, parseState } from '../../../packages/publication/src/fetch/trusted-state.ts';
import { signingKeyOf } from '../../../packages/publication/src/keys.ts';
import { bucketOf } from '../../../packages/publication/src/lists/bucket.ts';
import {
  applyDelta,
  decodeList,
  digestOf,
  encodeDelta,
  encodeList,
} from '../../../packages/publication/src/lists/paper-list.ts';
import { listCustom } from '../../../packages/publication/src/make/network-part.ts';
import { head, keysJson, sha256, signMetadata } from '../../../packages/publication/src/metadata.ts';
import { describeDocument } from '../../../packages/publication/src/program/describe-document.ts';
import { type FuzzTarget, holds } from '../target.ts';
import { JSON_TRAPS, words } from '../words.ts';

const allowedErrors = ['PublicationError'];
const KEY = signingKeyOf(Buffer.alloc(32, 8));
const NOW_MS = Date.UTC(2026, 0, 1);
const DATING = { version: 1, issuedMs: NOW_MS, expiresMs: NOW_MS + 86_400_000 };
const ROLE = { keyids: [KEY.id], threshold: 1 };

const LIST = encodeList(words('one entry', 'another', 'and a third'));
const NEXT = encodeList(words('one entry', 'and a fourth'));
const BUCKET = bucketOf(Buffer.alloc(32, 3));
const SEALED = BUCKET.seal('entry list', LIST, { bytes: (count) => Buffer.alloc(count, 5) });

const ROOT = signMetadata(
  {
    ...head('root', DATING),
    consistent_snapshot: true,
    keys: keysJson([KEY]),
    roles: { root: ROLE, targets: ROLE, snapshot: ROLE, timestamp: ROLE },
  } as Parameters<typeof signMetadata>[0],
  [KEY],
);
const delegations = {
  keys: keysJson([KEY]),
  roles: [{ ...ROLE, name: 'network', terminating: true, paths: ['network/*'] }],
};
const custom = { version: 2, deltas: [{ from: 1, length: 10, sha256: sha256(LIST) }] };
const TARGETS_SIGNED = {
  ...head('targets', DATING),
  targets: { 'network/x': { length: 3, hashes: { sha256: sha256(LIST) }, custom } },
  delegations,
};
const TARGETS_BYTES = signMetadata(TARGETS_SIGNED, [KEY]);

function readList(input: Buffer): string {
  const papers = decodeList(input);
  holds(encodeList(papers).equals(input), 'a list does not survive being written');
  return `list ${Math.min(4, papers.length)}`;
}

function readDelta(input: Buffer): string {
  const after = applyDelta(LIST, input);
  holds(digestOf(after).equals(input.subarray(32, 64)), 'a delta has made something else');
  return `delta ${Math.min(4, decodeList(after).length)}`;
}

function openSealed(input: Buffer): string {
  BUCKET.open('entry list', input);
  holds(input.equals(SEALED), 'a forged list was opened');
  return 'sealed';
}

/** A client that has a root, and gets the input as whatever comes next: nothing but what was signed may be taken. */
function readForged(input: Buffer): string {
  const set = new TrustedSet(ROOT);
  for (const take of [() => set.takeRoot(input), () => set.takeTimestamp(input)]) {
    let isTaken = true;
    try {
      take();
    } catch (error) {
      if (!(error instanceof Error) || !allowedErrors.includes(error.name)) throw error;
      isTaken = false;
    }
    holds(!isTaken, 'forged metadata was taken');
  }
  new TrustedSet(input);
  return 'root';
}

/** The input as the targets of a publication, with all signatures that it takes. */
function readSignedTargets(input: Buffer): string {
  const targets = signText(input);
  const meta = { 'targets.json': { version: 1 } };
  const snapshot = signMetadata({ ...head('snapshot', DATING), meta } as Parameters<typeof signMetadata>[0], [KEY]);
  const named = { version: 1, length: snapshot.length, hashes: { sha256: sha256(snapshot) } };
  const top = { ...head('timestamp', DATING), meta: { 'snapshot.json': named } };
  const set = new TrustedSet(ROOT);
  set.takeTimestamp(signMetadata(top, [KEY]));
  set.takeSnapshot(snapshot);
  set.takeTargets(targets, 'targets', 'root');
  const taken = set.role('targets');
  holds(taken !== undefined, 'what was taken is not there');
  const { validity } = judge(commonSpan([spanOf(taken)]), { attestedMs: NOW_MS, issuedMs: null, systemMs: NOW_MS });
  const deltas = Object.values(taken.targets).flatMap((target) => listCustom(target).deltas);
  holds(
    deltas.every(({ length }) => length > 0),
    'a delta without a length',
  );
  return `targets ${validity} ${Math.min(4, deltas.length)} ${taken.delegations !== undefined}`;
}

function signText(input: Buffer): Buffer {
  try {
    return signMetadata(JSON.parse(input.toString('utf8')), [KEY]);
  } catch {
    // What is no JSON, or holds what canonical JSON cannot, goes to the reader as it is.
    return input;
  }
}

function describe(input: Buffer): string {
  const lines = describeDocument(input, TARGETS_BYTES);
  return `described ${Math.min(20, lines.length)}`;
}

function readState(input: Buffer): string {
  const state = parseState(input);
  if (state === null) return 'nothing';
  const again = parseState(formatState(state));
  holds(again !== null && formatState(again).equals(formatState(state)), 'what is kept does not survive being written');
  return `state ${state.roles.size > 0} ${state.kept.size > 0}`;
}

const STATE = formatState({
  root: ROOT,
  timestamp: null,
  snapshot: null,
  floor: null,
  roles: new Map([['targets', TARGETS_BYTES]]),
  kept: new Map([['network/x', { sha256: sha256(LIST), length: 3, custom: {}, issuedMs: 1, expiresMs: 2 }]]),
});

const dictionary = [
  ...words(
    '"_type":"targets"',
    '"version":',
    '"expires":"',
    '"keyids":[',
    '"threshold":',
    '"signatures":[]',
    '"custom":{',
  ),
  ...words(
    '"delegations":{',
    '"succinct_roles":{',
    '"bit_length":',
    '"name_prefix":"',
    '"paths":["*"]',
    '"terminating":true',
  ),
  ...JSON_TRAPS,
];

function readBrand(input: Buffer): string {
  const brand = parseBrand(input);
  holds(
    formatBrand(parseBrand(formatBrand(brand))).equals(formatBrand(brand)),
    'a brand does not survive being written',
  );
  return `brand ${brand.homes.size} ${brand.mirrors.length}`;
}

const BRAND = formatBrand({
  network: 'n',
  channel: 'c',
  partner: 'p',
  root: ROOT,
  entryKey: Buffer.alloc(32),
  tacticsKeys: [Buffer.alloc(32)],
  bucket: Buffer.alloc(32),
  entries: [],
  mirrors: ['https://m.example/'],
  homes: new Map([['IR', 'https://h.example/']]),
  partnerKeys: new Map(),
  feedback: ['age1'],
});

export const PUBLICATION_TARGETS: readonly FuzzTarget[] = [
  { name: 'publication-list', run: readList, seeds: [LIST, NEXT], maxBytes: 500, allowedErrors },
  { name: 'publication-delta', run: readDelta, seeds: [encodeDelta(LIST, NEXT)], maxBytes: 500, allowedErrors },
  { name: 'publication-sealed', run: openSealed, seeds: [SEALED], maxBytes: 500, allowedErrors },
  { name: 'publication-forged', run: readForged, seeds: [ROOT], maxBytes: 4000, dictionary, allowedErrors },
  {
    name: 'publication-targets',
    run: readSignedTargets,
    seeds: words(JSON.stringify(TARGETS_SIGNED)),
    maxBytes: 4000,
    dictionary,
    allowedErrors,
  },
  {
    name: 'publication-described',
    run: describe,
    seeds: [ROOT, TARGETS_BYTES],
    maxBytes: 4000,
    dictionary,
    allowedErrors,
  },
  { name: 'brand', run: readBrand, seeds: [BRAND], maxBytes: 6000, dictionary, allowedErrors },
  { name: 'publication-state', run: readState, seeds: [STATE], maxBytes: 6000, dictionary, allowedErrors },
];

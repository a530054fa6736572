import { isDeepStrictEqual } from 'node:util';
import { formatTacticsState, parseTacticsState } from '../../../packages/client/src/tactics/tactics-state.ts';
import { signEnvelope, signerOf } from '../../../packages/protocol/src/signed-envelope.ts';
import { drawRule, fittingRules, selectRule } from '../../../packages/protocol/src/tactics/select.ts';
import { formatTactics, parseTactics, signTactics } from '../../../packages/protocol/src/tactics/tactics.ts';
import { type FuzzTarget, holds } from '../target.ts';
import { JSON_TRAPS, words } from '../words.ts';

const allowedErrors = ['ProtocolError'];
const PRIVATE_KEY = Buffer.alloc(32, 8);
const KEYS = [signerOf(PRIVATE_KEY)];
const SALT = Buffer.alloc(16, 3);
const FACTS = { country: 'IR', asn: 44_244, channels: ['friends'] };

const GOOD = signTactics(
  {
    issuedMs: Date.UTC(2026, 0, 1),
    expiresMs: Date.UTC(2026, 1, 1),
    ttlMs: 3_600_000,
    rules: [
      { id: 'all', when: {}, probability: 1, set: { canaryShare: 0.05 } },
      {
        id: 'ir',
        when: { country: ['IR'], asn: [44_244], channel: ['friends'] },
        probability: 0.5,
        set: {
          cutAfterMs: 60_000,
          transportWeights: { opaque: 0.5 },
          avoid: [{ transport: 'opaque', params: { prefix: null, a: 1 } }],
        },
      },
    ],
  },
  PRIVATE_KEY,
);
const PAYLOAD = GOOD.subarray(73);
const KIND = { name: 'tactics', maxPayloadBytes: 65_536 };

/** The input as the payload of a document with a good signature. */
function readSigned(input: Buffer): string {
  const tactics = parseTactics(signEnvelope(KIND, input, PRIVATE_KEY), KEYS);
  const again = parseTactics(signTactics(tactics, PRIVATE_KEY), KEYS);
  holds(isDeepStrictEqual(formatTactics(again), formatTactics(tactics)), 'tactics do not survive being written');
  const rule = selectRule(tactics, FACTS, SALT);
  const fitting = fittingRules(tactics, FACTS);
  holds(rule === null || fitting.includes(rule), 'a rule that does not fit was taken');
  for (const { id } of fitting) {
    const draw = drawRule(SALT, tactics.digest, id);
    holds(draw >= 0 && draw < 1, 'a draw is out of its range');
  }
  return `tactics ${Math.min(4, tactics.rules.length)} ${fitting.length > 0} ${rule?.set.avoid !== undefined}`;
}

function readRaw(input: Buffer): string {
  parseTactics(input, KEYS);
  holds(input.equals(GOOD), 'forged tactics were taken');
  return 'tactics';
}

function readState(input: Buffer): string {
  const state = parseTacticsState(input.toString('utf8'));
  if (state === null) return 'nothing';
  const again = parseTacticsState(formatTacticsState(state));
  holds(isDeepStrictEqual(again, state), 'what is kept does not survive being written');
  return `state ${state.document !== null}`;
}

const JSON_WORDS = [
  ...words(
    '"rules":[',
    '"when":{}',
    '"set":{',
    '"country":["IR"]',
    '"asn":[1]',
    '"probability":',
    '"cutAfterMs":60000',
    '"avoid":[',
    '"params":{}',
    '"transportWeights":{',
  ),
  ...JSON_TRAPS,
];

export const TACTICS_TARGETS: readonly FuzzTarget[] = [
  { name: 'tactics', run: readSigned, seeds: [PAYLOAD], maxBytes: 8000, dictionary: JSON_WORDS, allowedErrors },
  { name: 'tactics-forged', run: readRaw, seeds: [GOOD], maxBytes: 8000, dictionary: JSON_WORDS, allowedErrors },
  {
    name: 'tactics-state',
    run: readState,
    seeds: words(
      formatTacticsState({ salt: SALT, document: GOOD }),
      formatTacticsState({ salt: SALT, document: null }),
    ),
    maxBytes: 4000,
    dictionary: words('"v":1', '"salt":', '"document":', 'null'),
    allowedErrors,
  },
];

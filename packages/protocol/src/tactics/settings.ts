import { isJsonObject, JsonFields } from '../json-fields.ts';

const MAX_WEIGHTS = 16;
const MAX_AVOIDED = 16;
const MAX_PARAMS = 8;
const MAX_PARAM_CHARS = 256;
const TRANSPORT_NAME = /^[a-z][a-z0-9-]{0,31}$/;
const PARAM_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;
/** So far apart that one comes first nearly always; never so far that a transport is out of the game. */
const WEIGHT_RANGE = [0.01, 100] as const;

/** What a number may be set to. The reasons are in docs/spec/tactics.md §4: each range ends where a stolen key could do harm. */
export interface SettingRange {
  readonly range: readonly [least: number, most: number];
  readonly isWhole: boolean;
}

const whole = (least: number, most: number): SettingRange => ({ range: [least, most], isWhole: true });

/** All settings that are numbers. */
export const NUMBER_SETTINGS = {
  /** The age at which carriers are cut here, in ms. */
  cutAfterMs: whole(3000, 3_600_000),
  /** The bytes, both ways together, after which carriers are cut here. */
  bytesUntilCut: whole(8000, 1_000_000_000),
  /** Carriers that are of use at once, while there is much to carry. */
  carriers: whole(1, 8),
  /** The most carriers at once. */
  mostCarriers: whole(1, 8),
  /** The most carriers to one address of a relay. */
  carriersPerAddress: whole(2, 16),
  /** Connections that are being made to one host at once. */
  dialsPerHost: whole(1, 8),
  /** The silence after which a carrier is suspect, in ms. */
  silenceMs: whole(1500, 5000),
  /** The share of carriers that go beyond a limit to see whether it still holds. */
  canaryShare: { range: [0.005, 0.1], isWhole: false },
  /** Candidates in flight at first, and later. */
  raceWidth: whole(2, 10),
  wideRaceWidth: whole(4, 32),
  /** How long after one candidate the next is tried, in ms. */
  staggerMs: whole(50, 2000),
  /** How long a candidate may be silent in the first pass, in ms. */
  patienceMs: whole(1000, 12_000),
} as const satisfies Readonly<Record<string, SettingRange>>;

/** The name of a setting that is a number. */
export type NumberSetting = keyof typeof NUMBER_SETTINGS;

/** Ways to relays that come last: those by this transport with all of these params; null stands for one that is not there. */
export type AvoidedWay = {
  readonly transport: string;
  readonly params: { readonly [name: string]: string | number | boolean | null };
};

/** Starting values and bounds; what is left out stays the client's own. */
export interface TacticsSettings extends Readonly<Partial<Record<NumberSetting, number>>> {
  /** How often, relative to each other, transports come first; 1 for those that are not named. */
  readonly transportWeights?: { readonly [transport: string]: number };
  readonly avoid?: readonly AvoidedWay[];
}

const isNumberSetting = (name: string): name is NumberSetting => Object.hasOwn(NUMBER_SETTINGS, name);

/** Reads the settings of a rule; members that are not known are left out. Throws a `ProtocolError` (`malformed`, `out-of-bounds`). */
export function parseSettings(fields: JsonFields): TacticsSettings {
  const numbers: Partial<Record<NumberSetting, number>> = {};
  for (const name of Object.keys(NUMBER_SETTINGS).filter(isNumberSetting)) {
    if (!fields.has(name)) continue;
    const { range, isWhole } = NUMBER_SETTINGS[name];
    numbers[name] = isWhole ? fields.integer(name, range) : fields.number(name, range);
  }
  const { carriers, mostCarriers, raceWidth, wideRaceWidth } = numbers;
  if (carriers !== undefined && mostCarriers !== undefined && carriers > mostCarriers) {
    throw fields.outOfBounds('"carriers" is above "mostCarriers"');
  }
  if (raceWidth !== undefined && wideRaceWidth !== undefined && raceWidth > wideRaceWidth) {
    throw fields.outOfBounds('"raceWidth" is above "wideRaceWidth"');
  }
  return {
    ...numbers,
    ...(fields.has('transportWeights') ? { transportWeights: parseWeights(fields.fields('transportWeights')) } : {}),
    ...(fields.has('avoid')
      ? { avoid: fields.list('avoid', [1, MAX_AVOIDED]).map((way) => parseWay(way, fields)) }
      : {}),
  };
}

function parseWeights(fields: JsonFields): { readonly [transport: string]: number } {
  const names = Object.keys(fields.object);
  if (names.length > MAX_WEIGHTS) throw fields.outOfBounds(`more than ${MAX_WEIGHTS} transports`);
  if (!names.every((name) => TRANSPORT_NAME.test(name))) throw fields.malformed('not the name of a transport');
  return Object.fromEntries(names.map((name) => [name, fields.number(name, WEIGHT_RANGE)]));
}

function parseWay(value: unknown, fields: JsonFields): AvoidedWay {
  if (!isJsonObject(value)) throw fields.malformed('a way to avoid is not an object');
  const way = new JsonFields(value, 'tactics: a way to avoid');
  const transport = way.pattern('transport', TRANSPORT_NAME);
  return { transport, params: way.has('params') ? parseParams(way.fields('params')) : {} };
}

function isScalar(value: unknown): value is string | number | boolean | null {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value);
}

function parseParams(fields: JsonFields): AvoidedWay['params'] {
  const members = Object.entries(fields.object);
  if (members.length > MAX_PARAMS) throw fields.outOfBounds(`more than ${MAX_PARAMS} params`);
  return Object.fromEntries(
    members.map(([name, value]) => {
      if (!PARAM_NAME.test(name)) throw fields.malformed('not the name of a param');
      if (typeof value === 'string' && value.length > MAX_PARAM_CHARS)
        throw fields.outOfBounds(`"${name}" is too long`);
      if (!isScalar(value)) throw fields.malformed(`"${name}" is neither text, number, true, false nor null`);
      return [name, value];
    }),
  );
}

/** Whether tactics say to avoid a way with this transport and these params, as they stand in its server entry. */
export function isAvoided(
  { avoid = [] }: TacticsSettings,
  way: { readonly transport: string; readonly params: { readonly [name: string]: unknown } },
): boolean {
  return avoid.some(
    ({ transport, params }) =>
      transport === way.transport &&
      Object.entries(params).every(([name, value]) =>
        value === null
          ? !Object.hasOwn(way.params, name)
          : Object.hasOwn(way.params, name) && way.params[name] === value,
      ),
  );
}

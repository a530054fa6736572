import type { AvoidedWay, TacticsSettings } from '@rozan/protocol';
import type { LogEvent } from '@rozan/tunnel';

const seconds = (ms: number): string => `${ms / 1000} s`;
const kilobytes = (bytes: number): string => `${bytes / 1000} kB`;

function describeWay({ transport, params }: AvoidedWay): string {
  const members = Object.entries(params).map(([name, value]) => (value === null ? `no ${name}` : `${name}=${value}`));
  return members.length === 0 ? transport : `${transport} with ${members.join(' and ')}`;
}

type Describe<Name extends keyof TacticsSettings> = (value: NonNullable<TacticsSettings[Name]>) => string;

/** One sentence for each setting. */
const SENTENCES: { readonly [Name in keyof Required<TacticsSettings>]: Describe<Name> } = {
  cutAfterMs: (ms) => `Connections are cut after ${seconds(ms)}; they are replaced before.`,
  bytesUntilCut: (bytes) => `Connections are cut after ${kilobytes(bytes)}; they are replaced before.`,
  carriers: (count) => `${count} at once are of use while there is much to carry.`,
  mostCarriers: (count) => `At most ${count} at once.`,
  carriersPerAddress: (count) => `At most ${count} to one address.`,
  dialsPerHost: (count) => `At most ${count} attempts at one address at once.`,
  silenceMs: (ms) => `After ${seconds(ms)} of silence another connection is made.`,
  canaryShare: (share) => `${share * 100} % of them go on to see whether they are still cut.`,
  raceWidth: (count) => `${count} ways are tried at once at first.`,
  wideRaceWidth: (count) => `Later ${count} ways are tried at once.`,
  staggerMs: (ms) => `The next way is tried after ${seconds(ms)}.`,
  patienceMs: (ms) => `A way has ${seconds(ms)} for its answer at first.`,
  transportWeights: (weights) =>
    `How often which transport comes first, against 1 for others: ${Object.entries(weights)
      .map(([name, weight]) => `${name} ${weight}`)
      .join(', ')}.`,
  avoid: (ways) => `Tried only when nothing else works: ${ways.map(describeWay).join('; ')}.`,
};

const isSetting = (name: string): name is keyof TacticsSettings => Object.hasOwn(SENTENCES, name);

function sentence<Name extends keyof TacticsSettings>(settings: TacticsSettings, name: Name): string[] {
  const value = settings[name];
  return value === undefined || value === null ? [] : [SENTENCES[name](value)];
}

/** What settings mean, in plain words, a sentence for each. */
export function describeSettings(settings: TacticsSettings): string[] {
  return Object.keys(SENTENCES)
    .filter(isSetting)
    .flatMap((name) => sentence(settings, name));
}

const isSettings = (value: unknown): value is TacticsSettings =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const VALIDITY: Readonly<Record<string, string>> = {
  valid: 'they are in their time',
  expired: 'they are out of their time and used all the same until there are newer ones',
  unconfirmed: 'by the clock of this machine they are not in their time; a relay will tell which of the two is wrong',
};

/** What an event about tactics says to a person who has asked for an account, or null for other events. */
export function describeTactics(event: LogEvent): string | null {
  if (event.event !== 'tactics') return null;
  const { digest, rule, validity, set } = event;
  const about = `Tactics ${digest}: ${VALIDITY[String(validity)] ?? validity}.`;
  if (rule === null) return `${about} No rule of theirs is for this client.`;
  const settings = isSettings(set) ? describeSettings(set) : [];
  const rest = settings.length === 0 ? 'It leaves everything as it is.' : settings.join(' ');
  return `${about} Rule ${rule} is for this client. ${rest} The client learns on from there.`;
}

/** Why tactics were not taken, and what to do about it, by the code of the refusal. */
export const TACTICS_REMEDIES: Readonly<Record<string, string>> = {
  unreadable: 'The file cannot be read. Look at --tactics.',
  'not-authentic':
    'They are not signed by a key of --tactics-key. Get the file, or the key, from those who publish them.',
  unsupported:
    'They are made for a later version of this program, or the file is none of tactics. Update the program, or get the file again.',
  older:
    'They are older than those that this client has had already. Somebody may be holding newer ones back: get the file from another place.',
  rewritten:
    'They were issued at the same second as those that this client has, and say something else. Have them signed again.',
  truncated: 'A part of the file is missing. Get it again, whole.',
};

/** The remedy for what is damaged in any other way. */
const DAMAGED = 'The file is damaged, or is none of tactics. Get it again; `rozan tactics check` says more.';

/** What a person reads when tactics were not taken. */
export function describeRefusal({ code, kept }: LogEvent): string {
  const rest = kept === null ? 'The client goes on without.' : 'The client goes on with those that it has.';
  return `Warning: tactics were not taken (${code}). ${TACTICS_REMEDIES[String(code)] ?? DAMAGED} ${rest}`;
}

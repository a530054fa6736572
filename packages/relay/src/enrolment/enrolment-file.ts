import { join } from 'node:path';
import { JsonFields, ProtocolError } from '@rozan/protocol';
import { readPrivateFile, writeFileAtomically } from '@rozan/tunnel/data-folder';
import { RelayError } from '../data-folder/relay-error.ts';
import { CONFIG_BOUNDS } from '../limits/constants.ts';
import type { ControlPlacement } from './control-plane.ts';
import { parseRelaySettings, type RelaySettings } from './settings.ts';

const ENROLMENT_FILE = 'enrolment.json';
const SETTINGS_FILE = 'settings.json';
const MAX_SECONDS = 1e11;
const CREDENTIAL = /^[\x21-\x7e]{1,200}$/;

/** To which network a relay belongs. */
export interface Enrolment extends ControlPlacement {
  /** A secret by which the control plane knows the relay. */
  readonly credential: string;
  /** The one before it; null where there is none. */
  readonly former: string | null;
  /** When the control plane has given the credential, in ms since 1970 by this machine's clock; null where that is not known. */
  readonly sinceMs: number | null;
}

/** The relay has enrolled, and what it keeps of that cannot be used. */
export function enrolmentBroken(what: string): RelayError {
  return new RelayError('folder-broken', what, {
    remedy:
      'Have an operator renew its enrolment ("rozan control enrolment renew NAME"), and enrol it with that token: "rozan relay enrol --again".',
  });
}

async function readFile<T>(folder: string, file: string, parse: (bytes: Buffer) => T): Promise<T | null> {
  const bytes = await readPrivateFile(join(folder, file), CONFIG_BOUNDS.fileBytes);
  if (bytes === null) return null;
  try {
    return parse(bytes);
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw enrolmentBroken(`${file}: ${cause.message}`);
  }
}

function parseEnrolment(bytes: Buffer): Enrolment {
  const fields = JsonFields.parse(bytes, 'enrolment');
  return {
    url: fields.string('control'),
    roots: fields.has('roots') ? fields.string('roots') : null,
    credential: fields.pattern('credential', CREDENTIAL),
    former: fields.has('former') ? fields.pattern('former', CREDENTIAL) : null,
    sinceMs: fields.has('since') ? fields.integer('since', [0, MAX_SECONDS]) * 1_000 : null,
  };
}

/** To which network the relay in a folder belongs; null if to none. Throws a `RelayError` (`folder-broken`). */
export function readEnrolment(folder: string): Promise<Enrolment | null> {
  return readFile(folder, ENROLMENT_FILE, parseEnrolment);
}

/** Writes that down. */
export async function writeEnrolment(folder: string, enrolment: Enrolment): Promise<void> {
  const { url, roots, credential, former, sinceMs } = enrolment;
  const json = {
    control: url,
    ...(roots === null ? {} : { roots }),
    credential,
    ...(former === null ? {} : { former }),
    ...(sinceMs === null ? {} : { since: Math.floor(sinceMs / 1_000) }),
  };
  await writeFileAtomically(join(folder, ENROLMENT_FILE), `${JSON.stringify(json, null, 2)}\n`);
}

/** What the control plane has told last; null before it has. Throws a `RelayError` (`folder-broken`). */
export function readSettings(folder: string): Promise<RelaySettings | null> {
  return readFile(folder, SETTINGS_FILE, parseRelaySettings);
}

/** Keeps what the control plane has told, as it came, and gives it. Throws a `RelayError` (`control-unreachable`) where it is of no use. */
export async function keepSettings(folder: string, json: unknown): Promise<RelaySettings> {
  const bytes = Buffer.from(`${JSON.stringify(json, null, 2)}\n`);
  try {
    const settings = parseRelaySettings(bytes);
    await writeFileAtomically(join(folder, SETTINGS_FILE), bytes);
    return settings;
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw new RelayError(
      'control-unreachable',
      `the control plane tells what this version cannot read: ${cause.message}`,
      {
        remedy: 'Update this relay.',
      },
    );
  }
}

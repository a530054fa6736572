import { resolve } from 'node:path';
import { encodeBase64url, keyPairOf, signerOf } from '@rozan/protocol';
import type { Env } from '@rozan/tunnel';
import type { RelayConfig } from '../data-folder/relay-config.ts';
import { RelayError } from '../data-folder/relay-error.ts';
import { readRelayConfig } from '../data-folder/relay-folder.ts';
import { waysTo } from '../server-entry.ts';
import { askControlPlane, type ControlPlacement, controlUrl } from './control-plane.ts';
import { keepSettings, readEnrolment, writeEnrolment } from './enrolment-file.ts';
import type { RelaySettings } from './settings.ts';

/** What `enrolRelay` is told. */
export interface EnrolOptions extends ControlPlacement {
  /** The relay's folder. */
  readonly folder: string;
  /** Good once: `rozan control enrolment add`. */
  readonly token: string;
  /** Two capital letters: the country that it stands in. */
  readonly region?: string | undefined;
  /** Whether one that belongs to a network already is enrolled all the same. */
  readonly isAgain?: boolean | undefined;
}

/** What a relay says of itself: its public keys, and how clients reach it. Throws a `TunnelError` (`bad-params`). */
function identityOf(config: RelayConfig) {
  return {
    key: encodeBase64url(keyPairOf(config.staticKey).publicKey),
    signingKey: encodeBase64url(signerOf(config.signingKey)),
    transports: waysTo(config),
  };
}

/** A token is refused without a reason: what an operator can do about it depends on what the control plane knows of this relay. */
function withRemedy(cause: unknown): never {
  if (!(cause instanceof RelayError) || cause.code !== 'control-refused') throw cause;
  throw new RelayError(cause.code, cause.message, {
    cause,
    remedy:
      'A token is good for one relay, and for a week. Where the network knows this relay already, its operator makes one with "rozan control enrolment renew NAME"; otherwise with "rozan control enrolment add NAME".',
  });
}

/**
 * Makes the relay in a folder one of a network's; gives what the control plane tells it to be. Throws a `RelayError` (`enrolled`, `control-plane`,
 * `control-unreachable`, `control-refused`, those of the folder) or a `TunnelError`. Trying again with the same token is harmless.
 */
export async function enrolRelay(env: Env, options: EnrolOptions): Promise<RelaySettings> {
  const { token, region, isAgain = false, roots } = options;
  const folder = resolve(options.folder);
  const url = controlUrl(options.url).href;
  const config = await readRelayConfig(folder);
  if (!isAgain && (await readEnrolment(folder)) !== null) {
    throw new RelayError('enrolled', 'this relay belongs to a network already', {
      remedy:
        'To enrol it again, use --again and a token of "rozan control enrolment renew NAME"; or make another relay in another folder.',
    });
  }
  const request = {
    method: 'POST',
    path: '/relays/enrol',
    body: { token, ...identityOf(config), ...(region === undefined ? {} : { region }) },
    credential: null,
    signal: new AbortController().signal,
  } as const;
  const reply = await askControlPlane(env, { url, roots }, request).catch(withRemedy);
  const { credential, settings } = Object(reply) as { readonly credential?: unknown; readonly settings?: unknown };
  if (typeof credential !== 'string') {
    throw new RelayError('control-unreachable', 'the control plane has given no credential');
  }
  const kept = await keepSettings(folder, settings);
  await writeEnrolment(folder, { url, roots, credential, former: null, sinceMs: env.clock.wallMs() });
  return kept;
}

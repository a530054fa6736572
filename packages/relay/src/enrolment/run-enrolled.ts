import type { Env } from '@rozan/tunnel';
import type { RelaySetup } from '../relay-core.ts';
import { enrolmentBroken, readEnrolment, readSettings } from './enrolment-file.ts';
import { channelsAt } from './settings.ts';
import { Steward, type StewardedRelay } from './steward.ts';

/** A relay's part in a network. */
export interface Membership {
  /** The setup of the relay, as its network wants it. */
  setup<T extends Pick<RelaySetup, 'config' | 'siblings'>>(setup: T): T;
  /** What is to be done with the relay once it runs; disposing it ends the reports. */
  follow(relay: StewardedRelay): AsyncDisposable;
}

/**
 * Reads to which network the relay in a folder belongs; null if to none. Without its network's control plane it serves as it was told last. Throws a
 * `RelayError` (`folder-broken`).
 */
export async function openMembership(
  env: Env,
  options: { readonly folder: string; readonly programVersion: string; readonly reportMs?: number | undefined },
): Promise<Membership | null> {
  const { folder } = options;
  const [enrolment, settings] = [await readEnrolment(folder), await readSettings(folder)];
  // It would take clients under secrets that the network has never given out.
  if (enrolment === null && settings !== null) throw enrolmentBroken('enrolment.json is missing');
  if (enrolment === null || settings === null) return null;
  return {
    setup: (setup) => ({
      ...setup,
      config: { ...setup.config, channels: channelsAt(settings, env.clock.wallMs()) },
      siblings: settings.siblings,
    }),
    follow: (relay) => {
      if (settings.isDraining) relay.drain();
      return new Steward(env, { ...options, relay, enrolment, settings });
    },
  };
}

import type { TacticsSettings } from '@rozan/protocol';

/**
 * On a line that is paid by the megabyte: fewer ways are tried at the same time, no connection is risked to find out whether a proven limit still
 * holds, and a session has at most two carriers beside those that are being replaced; each that there is costs a handshake and its pings.
 */
const SAVING = { raceWidth: 3, wideRaceWidth: 8, canaryShare: 0, mostCarriers: 2 } as const;

/** Settings that save data, beside what tactics say. `adaptive`: not where a person has set how many carriers there are. */
export function saveData(settings: TacticsSettings, { adaptive }: { readonly adaptive: boolean }): TacticsSettings {
  const { raceWidth, wideRaceWidth, mostCarriers, carriers } = settings;
  const most = Math.min(mostCarriers ?? SAVING.mostCarriers, SAVING.mostCarriers);
  const ofCarriers = carriers === undefined ? {} : { carriers: Math.min(carriers, most) };
  return {
    ...settings,
    ...(adaptive ? { mostCarriers: most, ...ofCarriers } : {}),
    raceWidth: Math.min(raceWidth ?? SAVING.raceWidth, SAVING.raceWidth),
    wideRaceWidth: Math.min(wideRaceWidth ?? SAVING.wideRaceWidth, SAVING.wideRaceWidth),
    canaryShare: SAVING.canaryShare,
  };
}

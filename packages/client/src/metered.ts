import type { TacticsSettings } from '@rozan/protocol';

/** On a line that is paid by the megabyte: fewer ways are tried at the same time, and no connection is risked to find out whether a limit still holds. */
const SAVING = { raceWidth: 3, wideRaceWidth: 8, canaryShare: 0 } as const;

/** Settings that save data, beside what tactics say. */
export function saveData(settings: TacticsSettings): TacticsSettings {
  const { raceWidth, wideRaceWidth } = settings;
  return {
    ...settings,
    raceWidth: Math.min(raceWidth ?? SAVING.raceWidth, SAVING.raceWidth),
    wideRaceWidth: Math.min(wideRaceWidth ?? SAVING.wideRaceWidth, SAVING.wideRaceWidth),
    canaryShare: SAVING.canaryShare,
  };
}

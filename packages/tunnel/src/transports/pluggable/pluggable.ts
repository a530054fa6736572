import type { Transport } from '../../transport.ts';
import { dialPluggable } from './dial.ts';
import { listenPluggable } from './listen.ts';
import { type PluggableParams, parsePluggableParams } from './params.ts';
import {
  createPluggableSettings,
  PLUGGABLE_OPTIONS,
  type PluggableSettings,
  paramsOfPluggable,
  parsePluggableSettings,
} from './settings.ts';

/** Any executable of Tor's pluggable-transport specification, version 1 (docs/spec/transport-pluggable.md). */
export const pluggable: Transport<PluggableParams, PluggableSettings> = {
  name: 'pluggable',
  // What it looks like and what strangers meet is the executable's affair; the common ones look like nothing and are silent.
  traits: { looksLike: 'other', silentToStrangers: true, runsPrograms: true },
  options: PLUGGABLE_OPTIONS,
  createSettings: createPluggableSettings,
  parseSettings: parsePluggableSettings,
  paramsOf: paramsOfPluggable,
  parseParams: parsePluggableParams,
  dial: dialPluggable,
  listen: listenPluggable,
};

import type { Transport } from '../../transport.ts';
import { dialOpaque } from './dial.ts';
import { listenOpaque } from './listen.ts';
import { type OpaqueParams, parseOpaqueParams } from './params.ts';
import { createOpaqueSettings, type OpaqueSettings, paramsOfOpaque, parseOpaqueSettings } from './settings.ts';

/** Bare TCP: the secure channel's uniform bytes and nothing else (docs/spec/transport-opaque.md). */
export const opaque: Transport<OpaqueParams, OpaqueSettings> = {
  name: 'opaque',
  traits: { looksLike: 'nothing', silentToStrangers: true },
  options: {},
  createSettings: createOpaqueSettings,
  parseSettings: parseOpaqueSettings,
  paramsOf: paramsOfOpaque,
  parseParams: parseOpaqueParams,
  dial: dialOpaque,
  listen: listenOpaque,
};

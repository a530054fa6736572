import type { Transport } from '../../transport.ts';
import { dialOpaque } from './dial.ts';
import { listenOpaque } from './listen.ts';
import { type OpaqueParams, parseOpaqueParams } from './params.ts';
import {
  createOpaqueSettings,
  OPAQUE_OPTIONS,
  type OpaqueSettings,
  paramsOfOpaque,
  parseOpaqueSettings,
} from './settings.ts';

/**
 * TCP with the secure channel's uniform bytes: bare, or behind the handshake of another protocol
 * (docs/spec/transport-opaque.md). The traits are those of the bare port, which is what nothing chosen gives.
 */
export const opaque: Transport<OpaqueParams, OpaqueSettings> = {
  name: 'opaque',
  traits: { looksLike: 'nothing', silentToStrangers: true },
  options: OPAQUE_OPTIONS,
  createSettings: createOpaqueSettings,
  parseSettings: parseOpaqueSettings,
  paramsOf: paramsOfOpaque,
  parseParams: parseOpaqueParams,
  dial: dialOpaque,
  listen: listenOpaque,
};

export { allowOption } from './command/arguments.ts';
export { RelayError, type RelayErrorCode } from './data-folder/relay-error.ts';
export { createRelayFolder, openRelayFolder } from './data-folder/relay-folder.ts';
export { type AllowRule, parseAllowRule } from './egress/guard.ts';
export { RelayMetrics } from './metrics/relay-metrics.ts';
export { createRelay, type RelayOptions } from './relay.ts';
export type { Relay, RelayCounters, RelayStatus } from './relay-core.ts';
export { createEntryLink } from './server-entry.ts';

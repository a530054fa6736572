export { allowOption } from './command/arguments.ts';
export { RelayError, type RelayErrorCode } from './data-folder/relay-error.ts';
export { createRelayFolder, openRelayFolder } from './data-folder/relay-folder.ts';
export { type AllowRule, parseAllowRule } from './egress/guard.ts';
export { RelayMetrics } from './metrics/relay-metrics.ts';
export { createRelay, type Relay, type RelayCounters, type RelayOptions, type RelayStatus } from './relay.ts';
export { createEntryLink } from './server-entry.ts';

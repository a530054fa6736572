// A program of its own: a relay in the folder that it is given, whose memory can be set. It tells its parent its link when it listens, and
// what it holds whenever it is asked. It ends with its parent.
import { parseAllowRule } from '@rozan/relay';
import { createEnv } from '@rozan/tunnel';
import { startRelay } from '../world.ts';

/** What it is given, as JSON. */
export interface RelayProcessOptions {
  readonly folder: string;
  /** The machine's memory as the relay shall see it. */
  readonly machineBytes?: number | undefined;
}

/** What it says when it is asked. */
export interface RelayProcessReport {
  readonly sessions: number;
  readonly detachedSessions: number;
  readonly streams: number;
  readonly heldBytes: number;
  readonly mostHeldBytes: number;
  readonly mostDetached: number;
  readonly residentBytes: number;
  readonly mostResidentBytes: number;
  /** Sessions ended by the relay itself, by cause. */
  readonly evicted: { readonly [cause: string]: number };
}

const SAMPLE_MS = 20;

const options: RelayProcessOptions = JSON.parse(process.argv[2] ?? '{}');
const evicted: { [cause: string]: number } = {};
const env = createEnv({
  log: ({ event, cause }) => {
    if (event === 'session.evicted') evicted[String(cause)] = (evicted[String(cause)] ?? 0) + 1;
  },
});
const loopback = parseAllowRule('127.0.0.1/32');
const { folder, machineBytes } = options;
const { relay, link, address } = await startRelay(env, {
  folder,
  egressAllow: loopback === null ? [] : [loopback],
  ...(machineBytes === undefined ? {} : { machineBytes }),
});

const most = { mostHeldBytes: 0, mostDetached: 0, mostResidentBytes: 0 };
const sample = () => {
  const { heldBytes, detachedSessions } = relay.status();
  most.mostHeldBytes = Math.max(most.mostHeldBytes, heldBytes);
  most.mostDetached = Math.max(most.mostDetached, detachedSessions);
  most.mostResidentBytes = Math.max(most.mostResidentBytes, process.memoryUsage.rss());
};
setInterval(sample, SAMPLE_MS);
process.on('message', () => {
  sample();
  const { sessions, detachedSessions, streams, heldBytes } = relay.status();
  const residentBytes = process.memoryUsage.rss();
  process.send?.({ sessions, detachedSessions, streams, heldBytes, residentBytes, ...most, evicted });
});
process.on('disconnect', () => process.exit());
process.send?.({ link, port: address.port });

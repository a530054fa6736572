// What supervisor and workers tell each other over the channel that the parent of a process has to it, and nobody else. Bytes pass as such.
import type { ServerEntry } from '@rozan/protocol';
import type { CertificateState, LogEvent } from '@rozan/tunnel';
import type { JudgedFlight, ReplayVerdictKind } from '../accept/acceptor.ts';
import type { RelayChannel, TransportAddress } from '../data-folder/relay-config.ts';
import type { MetricValues } from '../metrics/relay-metrics.ts';
import type { RelaySetup, RelayStatus } from '../relay-core.ts';

/** What a worker starts from. */
export interface WorkerSetup extends RelaySetup {
  /** How many there are. */
  readonly workers: number;
  /** It alone gets the connections that one process has to get. */
  readonly isFirst: boolean;
  /** Where it takes connections from the others, and what they have to show. */
  readonly socketPath: string;
  readonly token: Buffer;
  readonly isDraining: boolean;
}

/** From the supervisor. */
export type ToWorker =
  | { readonly kind: 'start'; readonly setup: WorkerSetup }
  /** The answer to `flights` of the same number, in their order. */
  | { readonly kind: 'verdicts'; readonly number: number; readonly verdicts: readonly ReplayVerdictKind[] }
  /** The answer to `find`: the owner's socket, or null if there is no such session. */
  | { readonly kind: 'home'; readonly number: number; readonly socketPath: string | null }
  | { readonly kind: 'report'; readonly number: number }
  | { readonly kind: 'draining'; readonly isDraining: boolean }
  | { readonly kind: 'channels'; readonly channels: readonly RelayChannel[] }
  | { readonly kind: 'siblings'; readonly siblings: readonly ServerEntry[] }
  | { readonly kind: 'certificates'; readonly states: readonly CertificateState[] }
  | { readonly kind: 'stop' };

/** From a worker. */
export type ToSupervisor =
  /** It wants its setup. */
  | { readonly kind: 'hello' }
  | { readonly kind: 'ready'; readonly listen: readonly TransportAddress[] }
  /** It could not start. */
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'flights'; readonly number: number; readonly flights: readonly JudgedFlight[] }
  /** Lookup ids, one behind the other, by which sessions here are found from now on, and are not any more. */
  | { readonly kind: 'ids'; readonly added: Buffer; readonly removed: Buffer }
  | { readonly kind: 'find'; readonly number: number; readonly lookupId: Buffer }
  | { readonly kind: 'report'; readonly number: number; readonly report: WorkerReport }
  | { readonly kind: 'log'; readonly event: LogEvent };

/** Numbers of one worker. */
export interface WorkerReport {
  readonly status: RelayStatus;
  readonly metrics: MetricValues;
}

/** One end of the channel. Messages to an end that is gone are lost. */
export interface Channel<Out> {
  send(message: Out): void;
}

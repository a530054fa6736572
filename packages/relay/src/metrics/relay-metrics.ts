import { Counter, Gauge, type MetricObjectWithValues, type MetricValue, Registry } from 'prom-client';
import type { HandshakeOutcome } from '../accept/acceptor.ts';
import type { DropReason } from '../datagrams/tally.ts';
import type { RelayCounters, RelayStatus } from '../relay-core.ts';
import type { ForwardOutcome } from '../siblings/forwarder.ts';

/** Label values come from these lists, so that no peer can add a time series. */
const CARRIER_LOSS_CAUSES: ReadonlySet<string> = new Set([
  'closed',
  'reset',
  'stalled',
  'gone',
  'not-authentic',
  'retired',
  'session-closed',
]);

const IDLE: RelayStatus = {
  sessions: 0,
  detachedSessions: 0,
  streams: 0,
  strangers: 0,
  forwarded: 0,
  heldBytes: 0,
  draining: false,
};

/** The metrics of one process, as they pass from worker to supervisor. */
export type MetricValues = MetricObjectWithValues<MetricValue<string>>[];

/** What a relay shows to its operator's Prometheus: sums only, nothing per user or destination. */
export class RelayMetrics implements RelayCounters {
  readonly #registry = new Registry();
  readonly #handshakes: Counter<'outcome'>;
  readonly #dials: Counter<'outcome'>;
  readonly #bytes: Counter<'direction'>;
  readonly #streams: Counter;
  readonly #flowsOpened: Counter;
  readonly #datagrams: Counter<'direction'>;
  readonly #datagramBytes: Counter<'direction'>;
  readonly #datagramsDropped: Counter<'reason'>;
  readonly #carriersAttached: Counter;
  readonly #carriersLost: Counter<'cause'>;
  readonly #forwards: Counter<'outcome'>;
  readonly #forwardBytes: Counter<'direction'>;
  #carriers = 0;
  #flows = 0;
  #status: () => RelayStatus = () => IDLE;

  constructor() {
    this.#handshakes = this.#counter('rozan_relay_handshakes_total', 'First flights, by what became of them', [
      'outcome',
    ]);
    this.#dials = this.#counter('rozan_relay_dials_total', 'Destinations dialled, by outcome', ['outcome']);
    this.#bytes = this.#counter(
      'rozan_relay_stream_bytes_total',
      'Bytes of ended streams; up is toward the destination',
      ['direction'],
    );
    this.#streams = this.#counter('rozan_relay_streams_opened_total', 'Streams opened', []);
    this.#flowsOpened = this.#counter('rozan_relay_flows_opened_total', 'Datagram flows opened', []);
    this.#datagrams = this.#counter('rozan_relay_datagrams_total', 'Datagrams sent and received for clients', [
      'direction',
    ]);
    this.#datagramBytes = this.#counter('rozan_relay_datagram_bytes_total', 'Bytes of these datagrams', ['direction']);
    this.#datagramsDropped = this.#counter('rozan_relay_datagrams_dropped_total', 'Datagrams dropped, by reason', [
      'reason',
    ]);
    this.#carriersAttached = this.#counter('rozan_relay_carriers_attached_total', 'Carriers attached', []);
    this.#carriersLost = this.#counter('rozan_relay_carriers_lost_total', 'Carriers lost, by cause', ['cause']);
    this.#forwards = this.#counter('rozan_relay_forwards_total', 'Requests to forward a carrier, by outcome', [
      'outcome',
    ]);
    this.#forwardBytes = this.#counter(
      'rozan_relay_forward_bytes_total',
      'Bytes of ended carriers that were forwarded; up is toward the home',
      ['direction'],
    );
    this.#gauge('rozan_relay_forwarded', 'Carriers that are forwarded now', () => this.#status().forwarded);
    this.#gauge('rozan_relay_carriers', 'Carriers attached now', () => this.#carriers);
    this.#gauge('rozan_relay_sessions_live', 'Sessions with a carrier', () => {
      const { sessions, detachedSessions } = this.#status();
      return sessions - detachedSessions;
    });
    this.#gauge('rozan_relay_sessions_detached', 'Sessions without a carrier', () => this.#status().detachedSessions);
    this.#gauge('rozan_relay_streams', 'Streams open now', () => this.#status().streams);
    this.#gauge('rozan_relay_flows', 'Datagram flows open now', () => this.#flows);
    this.#gauge(
      'rozan_relay_strangers',
      'Connections that are no carriers, or not yet',
      () => this.#status().strangers,
    );
    this.#gauge('rozan_relay_session_bytes', 'Memory that sessions hold', () => this.#status().heldBytes);
    this.#gauge('rozan_relay_draining', 'Whether new sessions are refused', () => Number(this.#status().draining), {
      aggregator: 'max',
    });
    this.#gauge('process_resident_memory_bytes', 'Memory of the process', () => process.memoryUsage.rss());
    this.#gauge('process_cpu_seconds_total', 'Processor time of the process', () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    });
  }

  /** The value of the header `content-type`. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Where the numbers of the moment come from, once there is a relay. */
  observe(status: () => RelayStatus): void {
    this.#status = status;
  }

  /** All metrics, in Prometheus' text format. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** All metrics as values, for `MergedMetrics`. */
  values(): Promise<MetricValues> {
    return this.#registry.getMetricsAsJSON();
  }

  handshake(outcome: HandshakeOutcome): void {
    this.#handshakes.inc({ outcome });
  }

  streamOpened(): void {
    this.#streams.inc();
  }

  /** The streams open now are read from the relay itself. */
  streamClosed(): void {}

  dialled(outcome: Parameters<RelayCounters['dialled']>[0]): void {
    this.#dials.inc({ outcome });
  }

  moved({ up, down }: { readonly up: number; readonly down: number }): void {
    this.#bytes.inc({ direction: 'up' }, up);
    this.#bytes.inc({ direction: 'down' }, down);
  }

  flowOpened(): void {
    this.#flows += 1;
    this.#flowsOpened.inc();
  }

  flowClosed(): void {
    this.#flows -= 1;
  }

  datagramsMoved(direction: 'up' | 'down', sum: { readonly datagrams: number; readonly bytes: number }): void {
    this.#datagrams.inc({ direction }, sum.datagrams);
    this.#datagramBytes.inc({ direction }, sum.bytes);
  }

  datagramsDropped(reason: DropReason, datagrams: number): void {
    this.#datagramsDropped.inc({ reason }, datagrams);
  }

  forwardAsked(outcome: ForwardOutcome): void {
    this.#forwards.inc({ outcome });
  }

  forwardEnded({ up, down }: { readonly up: number; readonly down: number }): void {
    this.#forwardBytes.inc({ direction: 'up' }, up);
    this.#forwardBytes.inc({ direction: 'down' }, down);
  }

  carrierAttached(): void {
    this.#carriers += 1;
    this.#carriersAttached.inc();
  }

  carrierLost(cause: string): void {
    this.#carriers -= 1;
    this.#carriersLost.inc({ cause: CARRIER_LOSS_CAUSES.has(cause) ? cause : 'other' });
  }

  #counter<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Counter<Label> {
    return new Counter({ name, help, labelNames, registers: [this.#registry] });
  }

  /** `aggregator`: what the values of several workers make together. */
  #gauge(name: string, help: string, read: () => number, options: { readonly aggregator?: 'sum' | 'max' } = {}): void {
    const { aggregator = 'sum' } = options;
    const collect = () => gauge.set(read());
    const gauge: Gauge = new Gauge({ name, help, aggregator, registers: [this.#registry], collect });
  }
}

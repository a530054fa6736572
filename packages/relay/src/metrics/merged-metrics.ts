import { AggregatorRegistry } from 'prom-client';
import type { MetricsSource } from './metrics-server.ts';
import { type MetricValues, RelayMetrics } from './relay-metrics.ts';

/** The metrics of several workers and of this process as one. */
export class MergedMetrics implements MetricsSource {
  readonly #own = new RelayMetrics();
  readonly #read: () => Promise<readonly MetricValues[]>;
  /** What workers that are no more had counted when they were last asked: a sum must not go back. */
  #kept: MetricValues[] = [];

  /** `read` gives those of each worker that runs. */
  constructor(read: () => Promise<readonly MetricValues[]>) {
    this.#read = read;
  }

  get contentType(): string {
    return this.#own.contentType;
  }

  /** Goes on counting what a worker had counted that is no more. */
  keep(values: MetricValues): void {
    const counters = values.filter(({ type }) => String(type) === 'counter');
    if (counters.length > 0) this.#kept.push(counters);
    if (this.#kept.length > MAX_KEPT) this.#kept = [mergeCounters(this.#kept)];
  }

  /** All metrics, in Prometheus' text format. */
  async text(): Promise<string> {
    const values = [await this.#own.values(), ...(await this.#read()), ...this.#kept];
    return AggregatorRegistry.aggregate(values).metrics();
  }
}

/** Beyond this many dead workers their counts are put together. */
const MAX_KEPT = 16;

function mergeCounters(all: readonly MetricValues[]): MetricValues {
  const merged = new Map<string, MetricValues[number]>();
  for (const metric of all.flat()) {
    const before = merged.get(metric.name);
    merged.set(
      metric.name,
      before === undefined ? metric : { ...metric, values: addValues(before.values, metric.values) },
    );
  }
  return [...merged.values()];
}

type Values = MetricValues[number]['values'];

function addValues(before: Values, after: Values): Values {
  const sums = new Map<string, Values[number]>();
  for (const value of [...before, ...after]) {
    const key = JSON.stringify(value.labels);
    sums.set(key, { ...value, value: value.value + (sums.get(key)?.value ?? 0) });
  }
  return [...sums.values()];
}

/**
 * metrics: a pool in numbers, for Prometheus. Two kinds, which docs/guide/operating.md lists:
 *
 *   what is so now       gauges, of the whole pool, whoever did it; looked up at each scrape (gauges.ts)
 *   what has happened    counters and histograms of this participant, by the channels of diagnostics.ts (happenings.ts)
 */
import { Registry } from 'prom-client'
import type { Pool } from '../pool/pool.ts'
import { addGauges } from './gauges.ts'
import { addHappenings } from './happenings.ts'

export interface MetricsOptions {
  /** Where the metrics are registered; default: a registry of their own. One pool a registry: names are taken once. */
  registry?: Registry | undefined
}

/** The metrics of a pool, until they are disposed of. */
export interface PoolMetrics extends Disposable {
  readonly registry: Registry
  /** For the header Content-Type of what `text` answers. */
  readonly contentType: string
  /** Everything in the exposition format. Price: a scan of the pin table and some queries, 1 ms in a quiet pool. */
  text(): Promise<string>
  /** Ends counting; what was registered stays as it is then, but for gauges, which are looked up as long as the pool is open. */
  [Symbol.dispose](): void
}

/** Counts what happens in a pool from now on. Operations are timed of files that are opened from now on. */
export function metrics(pool: Pool, { registry = new Registry() }: MetricsOptions = {}): PoolMetrics {
  addGauges(registry, pool)
  const end = addHappenings(registry, pool)
  return {
    registry,
    contentType: registry.contentType,
    text: () => registry.metrics(),
    [Symbol.dispose]: end,
  }
}

/** `holdfast/metrics`: a pool in numbers, for Prometheus. */
export { metrics, type MetricsOptions, type PoolMetrics } from './metrics.ts'

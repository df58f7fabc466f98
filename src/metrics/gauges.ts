/** What is so in the pool now, by whomever: looked up when it is asked for, once a scrape. */
import { statfs, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Registry } from 'prom-client'
import { Counter, Gauge } from 'prom-client'
import type { PoolStats } from '../pool/pool-stats.ts'
import type { Pool } from '../pool/pool.ts'

/** One look. */
interface Look {
  readonly stats: PoolStats
  readonly leases: number
  readonly oldestPinSeconds: number
  readonly deviceBytes: number
  readonly hostBytes: number
}

type Value = (look: Look) => number

const GAUGES: Readonly<Record<string, readonly [help: string, value: Value]>> = {
  holdfast_size_bytes: ['Size of the pool.', ({ stats }) => stats.sizeBytes],
  holdfast_used_bytes: ['In files, lost+found not counted.', ({ stats }) => stats.usedBytes],
  holdfast_free_bytes: ['In no file, and fit for use at once.', ({ stats }) => stats.freeBytes],
  holdfast_available_bytes: ['What new files can have.', ({ stats }) => stats.availableBytes],
  holdfast_reserve_bytes: ['Of the free: only for what frees space.', ({ stats }) => stats.reserveBytes],
  holdfast_busy_bytes: ['Freed by their file, and not fit for use yet.', ({ stats }) => stats.busyBytes],
  holdfast_sequestered_bytes: ['In lost+found.', ({ stats }) => stats.sequesteredBytes],
  holdfast_sequestered_held_bytes: ['In lost+found, and still pinned.', ({ stats }) => stats.sequesteredHeldBytes],
  holdfast_pins: ['Pins held, by all processes.', ({ stats }) => stats.pins],
  holdfast_pinned_bytes: ['Bytes of all pins; what several pin counts for each.', ({ stats }) => stats.pinnedBytes],
  holdfast_oldest_pin_age_seconds: [
    'How long the oldest pin has been held; 0: none is.',
    (look) => look.oldestPinSeconds,
  ],
  holdfast_leases: ['Layout leases held, by all processes.', ({ leases }) => leases],
  holdfast_files: ['Files.', ({ stats }) => stats.files],
  holdfast_participants: ['Processes and threads that have the pool open.', ({ stats }) => stats.participants],
  holdfast_device_allocated_bytes: ['What the device takes of the host.', ({ deviceBytes }) => deviceBytes],
  holdfast_host_available_bytes: ['What the host file system has left.', ({ hostBytes }) => hostBytes],
}

/** Registers them. */
export function addGauges(registry: Registry, pool: Pool): void {
  const look = onceAScrape(() => lookAt(pool))
  const registers = [registry]
  for (const [name, [help, value]] of Object.entries(GAUGES)) {
    const gauge: Gauge = new Gauge({ name, help, registers, collect: async () => gauge.set(value(await look())) })
  }
  const stuck: Counter = new Counter({
    name: 'holdfast_stuck_waits_total',
    help: 'Operations of this participant that have waited for a minute or longer.',
    registers,
    collect: async () => {
      const { stats } = await look()
      stuck.reset()
      stuck.inc(stats.stuckWaits)
    },
  })
}

/** All gauges of a scrape are asked at once; they share one look. */
function onceAScrape<T>(look: () => Promise<T>): () => Promise<T> {
  let present: Promise<T> | undefined
  return () =>
    (present ??= look().finally(() => {
      present = undefined
    }))
}

async function lookAt(pool: Pool): Promise<Look> {
  const [stats, pins, leases, device, host] = await Promise.all([
    pool.stats(),
    pool.pins(),
    pool.leases(),
    stat(join(pool.path, 'device')),
    statfs(pool.path),
  ])
  return {
    stats,
    leases: leases.length,
    oldestPinSeconds: Math.max(0, ...pins.map(({ ageMs = 0 }) => ageMs)) / 1000,
    deviceBytes: device.blocks * 512,
    hostBytes: host.bavail * host.bsize,
  }
}

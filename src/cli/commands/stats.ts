/** `holdfast stats`: what a pool is doing, in numbers and bars. */
import type { Command } from 'commander'
import type { Holder, Pool, PoolStats } from '../../index.ts'
import { formatDuration } from '../durations.ts'
import { coloured, shown, widthOf } from '../output.ts'
import { formatSize } from '../sizes.ts'
import { timeText } from '../stat-text.ts'
import { does, poolVerb } from '../verb.ts'
import type { Outcome } from '../verb.ts'
import { watch } from '../watch.ts'
import { withPoolToRead } from '../with-pool.ts'

interface Flags {
  watch?: boolean
}

/** One look at a pool. */
interface Look {
  readonly stats: PoolStats
  readonly pins: readonly Holder[]
  readonly leases: readonly Holder[]
}

export function statsVerb(): Command {
  const command = poolVerb('stats', 'Say what a pool is doing: space, pins, leases, in numbers and bars.', {
    more:
      'Space is of the whole pool. OLDEST: the pins that have been held longest, and who holds them. RECALLED leases are those whose ' +
      'holder was asked and has not answered. Participants are processes and threads.\n\n' +
      'With --watch it is looked at again each second, until q or Ctrl-C; with --json too, one line each time. "holdfast serve" has ' +
      'the same for Prometheus, and counts what has happened.',
    examples: ['stats /data/pool', 'stats /data/pool --watch', 'stats /data/pool --watch --json'],
  }).option('-w, --watch', 'again each second, until q or Ctrl-C')
  return does(command, (run, poolPath: string, flags: Flags) =>
    withPoolToRead(run, poolPath, async (pool) => {
      const look = async (): Promise<Outcome> => outcomeOf(poolPath, await lookAt(pool))
      return flags.watch === true ? watch(run, look) : look()
    }),
  )
}

async function lookAt(pool: Pool): Promise<Look> {
  const [stats, pins, leases] = await Promise.all([pool.stats(), pool.pins(), pool.leases()])
  return { stats, pins, leases }
}

function outcomeOf(path: string, look: Look): Outcome {
  const now = new Date()
  const { stats, leases } = look
  const json = {
    time: now,
    path,
    ...stats,
    oldestPinMs: Math.max(0, ...look.pins.map(({ ageMs = 0 }) => ageMs)),
    leases: leases.length,
    leasesRecalled: leases.filter(({ lease }) => lease === 'recalled').length,
  }
  return { json, text: textOf(path, look, now) }
}

/** Columns of what stands beside the bars: names and numbers. */
const BESIDE_BARS = 24
const MOST_BAR = 56
const OLDEST_SHOWN = 5
/** Columns before the name of a file. */
const BEFORE_NAMES = 30

function textOf(path: string, { stats, pins, leases }: Look, now: Date): string {
  const width = Math.max(10, Math.min(MOST_BAR, Math.min(80, widthOf()) - BESIDE_BARS))
  const row = (name: string, bytes: number, style: Parameters<typeof coloured>[0]): string =>
    `  ${name.padEnd(12)}${formatSize(bytes).padStart(6)}  ${bar(bytes / stats.sizeBytes, width, style)}\n`
  const recalled = leases.filter(({ lease }) => lease === 'recalled').length
  return [
    `${timeText(now)}  ${shown(path)}  ${formatSize(stats.sizeBytes)}\n`,
    row('used', stats.usedBytes, 'blue'),
    row('free', stats.freeBytes, 'green'),
    row('busy', stats.busyBytes, 'yellow'),
    row('lost+found', stats.sequesteredBytes, 'red'),
    row('pinned', stats.pinnedBytes, 'magenta'),
    `  files ${stats.files}, participants ${stats.participants}, leases ${leases.length}, recalled ${recalled}, `,
    `pins ${stats.pins}\n`,
    ...oldest(pins),
  ].join('')
}

function oldest(pins: readonly Holder[]): string[] {
  const sorted = pins.toSorted((a, b) => (b.ageMs ?? 0) - (a.ageMs ?? 0)).slice(0, OLDEST_SHOWN)
  if (sorted.length === 0) return []
  const room = widthOf() - BEFORE_NAMES
  return [
    `  ${coloured('bold', 'OLDEST'.padEnd(10))}${'LENGTH'.padStart(6)}  ${'PID'.padStart(8)}  FILE\n`,
    ...sorted.map(({ ageMs = 0, length = 0, pid, path, inode = 0 }) => {
      const file = shown(path ?? `inode ${inode}`)
      const cut = file.length > room ? `…${file.slice(file.length - room + 1)}` : file
      return `  ${formatDuration(ageMs).padEnd(10)}${formatSize(length).padStart(6)}  ${String(pid).padStart(8)}  ${cut}\n`
    }),
  ]
}

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

/** A share from 0 to 1 of `width` columns, to an eighth; what is there at all is seen. */
function bar(share: number, width: number, style: Parameters<typeof coloured>[0]): string {
  const eighths = share <= 0 ? 0 : Math.max(1, Math.round(Math.min(1, share) * width * 8))
  const full = '█'.repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8]
  return `${coloured(style, full)}${coloured('dim', '·'.repeat(width - Math.ceil(eighths / 8)))}`
}

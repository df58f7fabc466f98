/** What the page knows: signals, kept up to date by the server's events. */
import { computed, signal } from '@preact/signals'
import type { BlockMap } from '../../src/http/api/block-map.ts'
import type { PoolState } from '../../src/http/api/pool-state.ts'
import type { PoolFacts } from './api.ts'
import { events, mapOf, poolFacts } from './api.ts'

export const facts = signal<PoolFacts | undefined>(undefined)
export const state = signal<PoolState | undefined>(undefined)
/** Whether events come. */
export const isLive = signal(false)
export const problem = signal('')
/** Blocks shown; to 0: all. */
export const view = signal({ from: 0, to: 0 })
export const cells = signal(0)
export const map = signal<BlockMap | undefined>(undefined)
/** Space over time: seconds since 1970, then bytes of files, pinned, busy, sequestered. */
export const history = signal<[number[], number[], number[], number[], number[]]>([[], [], [], [], []])

export const mayChange = computed(() => facts.value?.writable === true)

const MOST_POINTS = 2000

export function told(error: unknown): void {
  problem.value = error instanceof Error ? error.message : String(error)
}

let isFetching = false
let isWanted = false

/** Fetches the map anew; calls that come meanwhile are one more fetch after it. */
export async function refreshMap(): Promise<void> {
  isWanted = true
  if (isFetching || cells.value === 0 || facts.value === undefined) return
  isFetching = true
  try {
    while (isWanted) {
      isWanted = false
      const { from, to } = view.value
      map.value = await mapOf(from, to === 0 ? facts.value.blocks : to, cells.value)
    }
  } catch (error) {
    told(error)
  } finally {
    isFetching = false
  }
}

function remember({ atMs, stats }: PoolState): void {
  const values = [atMs / 1000, stats.usedBytes, stats.pinnedBytes, stats.busyBytes, stats.sequesteredBytes]
  history.value = history.value.map((series, i) => series.slice(-MOST_POINTS).concat(values[i])) as typeof history.value
}

export async function start(): Promise<void> {
  facts.value = await poolFacts()
  void refreshMap()
  const source = events('events')
  source.addEventListener('state', ({ data }) => {
    isLive.value = true
    state.value = JSON.parse(data as string) as PoolState
    remember(state.value)
    if (state.value.stats.sizeBytes !== facts.value?.sizeBytes)
      void poolFacts().then((now) => (facts.value = now), told)
    void refreshMap()
  })
  source.addEventListener('open', () => (isLive.value = true))
  source.addEventListener('error', () => (isLive.value = false))
}

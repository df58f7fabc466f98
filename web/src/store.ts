/** What the page knows: signals, kept up to date by the server's events. */
import { computed, signal } from '@preact/signals'
import type { BlockMap } from '../../src/http/api/block-map.ts'
import type { PoolState } from '../../src/http/api/pool-state.ts'
import type { PoolFacts } from './api.ts'
import { events, mapOf, poolFacts, spaceHistory } from './api.ts'

export const facts = signal<PoolFacts | undefined>(undefined)
export const state = signal<PoolState | undefined>(undefined)
/** Whether events come. */
export const isLive = signal(false)
export const problem = signal('')
/** Blocks shown; to 0: all. */
export const view = signal({ from: 0, to: 0 })
export const cells = signal(0)
export const map = signal<BlockMap | undefined>(undefined)
/** Space over time, from before the page was opened: seconds since 1970, then bytes of files, pinned, busy, sequestered. */
export const history = signal<[number[], number[], number[], number[], number[]]>([[], [], [], [], []])

export const mayChange = computed(() => facts.value?.writable === true)

const MOST_POINTS = 8000
/** While nothing changes the line goes on. */
const STILL_MS = 5000

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

/** A state that others were sent before may be older than what the server remembers. */
function remember({ atMs, stats }: PoolState): void {
  if (atMs / 1000 <= (history.value[0].at(-1) ?? 0)) return
  const values = [atMs / 1000, stats.usedBytes, stats.pinnedBytes, stats.busyBytes, stats.sequesteredBytes]
  history.value = history.value.map((series, i) => series.slice(-MOST_POINTS).concat(values[i])) as typeof history.value
}

/** Ms since the last state came, by this clock: so much older is everything that it tells of. */
const sinceLook = signal(0)
export const ageNow = (ageMs: number): number => ageMs + sinceLook.value
const TICK_MS = 1000

/** When the last state came, by this clock, and that it is still so. */
let cameAt = 0
function stillSo(): void {
  const last = state.value
  if (last !== undefined && isLive.value) remember({ ...last, atMs: last.atMs + performance.now() - cameAt })
}

export async function start(): Promise<void> {
  facts.value = await poolFacts()
  void refreshMap()
  const { atMs, usedBytes, pinnedBytes, busyBytes, sequesteredBytes } = await spaceHistory()
  history.value = [atMs.map((ms) => ms / 1000), [...usedBytes], [...pinnedBytes], [...busyBytes], [...sequesteredBytes]]
  setInterval(stillSo, STILL_MS)
  setInterval(() => {
    if (isLive.value) sinceLook.value = performance.now() - cameAt
  }, TICK_MS)
  const source = events('events')
  source.addEventListener('state', ({ data }) => {
    isLive.value = true
    state.value = JSON.parse(data as string) as PoolState
    cameAt = performance.now()
    sinceLook.value = 0
    remember(state.value)
    if (state.value.stats.sizeBytes !== facts.value?.sizeBytes)
      void poolFacts().then((now) => (facts.value = now), told)
    void refreshMap()
  })
  source.addEventListener('open', () => (isLive.value = true))
  source.addEventListener('error', () => (isLive.value = false))
}

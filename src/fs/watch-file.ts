/** `watchFile` and `unwatchFile`: tells when what `stat` says of a path is another one. Looks every `interval` ms. */
import { EventEmitter } from 'node:events'
import type { BigIntStats, PathLike, Stats, StatWatcher } from 'node:fs'
import type { Pool } from '../pool/pool.ts'
import type { Stat } from '../pool/stat.ts'
import { boolean, integer, mustBeFunction, pathOf } from './arguments.ts'
import { bigintStatsOf, NOTHING, statsOf } from './stats.ts'

type StatListener = (now: Stats | BigIntStats, before: Stats | BigIntStats) => void

/** As node:fs, when nothing is said. */
const STANDARD_INTERVAL_MS = 5007

interface WatchFileOptions {
  bigint?: boolean | undefined
  persistent?: boolean | undefined
  interval?: number | undefined
}

export class FileWatches {
  readonly #pool: Pool
  readonly #dev: number
  readonly #watchers = new Map<string, PathWatcher>()

  constructor(pool: Pool, dev: number) {
    this.#pool = pool
    this.#dev = dev
  }

  /** All listeners of a path share one watcher, which has the options of the first. */
  watch(filename: PathLike, second: unknown, third?: unknown): StatWatcher {
    const listener = (typeof second === 'function' ? second : third) as StatListener
    const options = (typeof second === 'object' && second !== null ? second : {}) as WatchFileOptions
    const path = pathOf(filename, 'filename')
    mustBeFunction('listener', listener)
    const intervalMs = integer('interval', options.interval ?? STANDARD_INTERVAL_MS, 0)
    const isPersistent = boolean('options.persistent', options.persistent, true)
    let watcher = this.#watchers.get(path)
    if (watcher === undefined) {
      const told = options.bigint === true ? bigintStatsOf : statsOf
      watcher = new PathWatcher(this.#pool, path, intervalMs, isPersistent, (stat) => told(stat, this.#dev))
      this.#watchers.set(path, watcher)
    }
    watcher.on('change', listener)
    return watcher
  }

  unwatch(filename: PathLike, listener?: StatListener): void {
    const path = pathOf(filename, 'filename')
    const watcher = this.#watchers.get(path)
    if (listener === undefined) watcher?.removeAllListeners('change')
    else watcher?.off('change', listener)
    if (watcher === undefined || watcher.listenerCount('change') > 0) return
    watcher.stop()
    this.#watchers.delete(path)
  }
}

class PathWatcher extends EventEmitter implements StatWatcher {
  readonly #pool: Pool
  readonly #path: string
  readonly #told: (stat: typeof NOTHING) => Stats | BigIntStats
  readonly #timer: NodeJS.Timeout
  #last: typeof NOTHING | undefined
  #isLooking = false

  constructor(
    pool: Pool,
    path: string,
    intervalMs: number,
    isPersistent: boolean,
    told: (stat: typeof NOTHING) => Stats | BigIntStats,
  ) {
    super()
    this.#pool = pool
    this.#path = path
    this.#told = told
    this.#timer = setInterval(() => void this.#look(), intervalMs)
    if (!isPersistent) this.#timer.unref()
    void this.#look()
  }

  async #look(): Promise<void> {
    if (!this.#pool.isOpen) return this.stop()
    if (this.#isLooking) return
    this.#isLooking = true
    const now: typeof NOTHING = await this.#pool.stat(this.#path).catch((): typeof NOTHING => NOTHING)
    this.#isLooking = false
    const before = this.#last
    this.#last = now
    // Where nothing is from the beginning that is told once.
    if (before === undefined ? now === NOTHING : !isSame(before, now))
      this.emit('change', this.#told(now), this.#told(before ?? NOTHING))
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  ref(): this {
    this.#timer.ref()
    return this
  }

  unref(): this {
    this.#timer.unref()
    return this
  }
}

/** The count goes up with every change, also one that leaves the times as they are. */
const isSame = (a: typeof NOTHING, b: typeof NOTHING): boolean =>
  a.ino === b.ino && a.ctimeNs === b.ctimeNs && (a as Partial<Stat>).changeCount === (b as Partial<Stat>).changeCount

/** `watch`, as an emitter and as an iterator. */
import { EventEmitter } from 'node:events'
import type { FSWatcher, PathLike } from 'node:fs'
import { checkChoice } from '../errors.ts'
import type { Pool } from '../pool/pool.ts'
import { boolean, encoded, integer, mustBeFunction, optionsOf, pathOf, signalOf } from './arguments.ts'
import type { Change } from './change-watch.ts'
import { ChangeWatch, tooManyChanges } from './change-watch.ts'
import { ignoring } from './ignoring.ts'
import { aborted, inNodesWords, mustNotBeAborted } from './node-words.ts'

interface WatchOptions {
  encoding?: unknown
  recursive?: unknown
  persistent?: unknown
  signal?: unknown
  maxQueue?: unknown
  overflow?: unknown
  ignore?: unknown
}

type WatchListener = (eventType: string, filename: string | null) => void

/** An error has the path as `filename`, too, as in node:fs. */
async function started(watching: ChangeWatch, path: string): Promise<void> {
  try {
    await inNodesWords({ syscall: 'watch', path }, () => watching.start())
  } catch (error) {
    throw Object.assign(error as Error, { filename: path })
  }
}

const treeOf = ({ recursive, persistent }: WatchOptions): { recursive: boolean; persistent: boolean } => ({
  recursive: boolean('options.recursive', recursive),
  persistent: boolean('options.persistent', persistent, true),
})

/** Events 'change' (eventType, filename), 'error' and 'close'. What cannot be watched is an 'error', since looking may wait. */
class PoolWatcher extends EventEmitter implements FSWatcher {
  readonly #watch: ChangeWatch
  #isClosed = false

  constructor(pool: Pool, path: string, options: WatchOptions) {
    super()
    const signal = signalOf(options)
    const ignores = ignoring(options.ignore)
    this.#watch = new ChangeWatch(pool, path, treeOf(options), {
      changed: ({ eventType, filename }) => {
        if (!ignores(filename)) this.emit('change', eventType, encoded(filename, options))
      },
      ended: (error) => this.#end(error),
    })
    signal?.addEventListener('abort', () => this.close(), { once: true })
    if (signal?.aborted === true) process.nextTick(() => this.close())
    else started(this.#watch, path).catch((error: Error) => this.#end(error))
  }

  #end(error?: Error): void {
    if (this.#isClosed) return
    if (error !== undefined) this.emit('error', error)
    this.close()
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#watch.close()
    process.nextTick(() => this.emit('close'))
  }

  ref(): this {
    this.#watch.isPersistent = true
    return this
  }

  unref(): this {
    this.#watch.isPersistent = false
    return this
  }
}

export function watch(pool: Pool, path: PathLike, second?: unknown, third?: unknown): FSWatcher {
  const listener = (typeof second === 'function' ? second : third) as WatchListener | undefined
  const options = optionsOf<WatchOptions>(second)
  if (listener !== undefined) mustBeFunction('listener', listener)
  const watcher = new PoolWatcher(pool, pathOf(path, 'filename'), options)
  if (listener !== undefined) watcher.on('change', listener)
  return watcher
}

const STANDARD_QUEUE = 2048

/** Changes from when the first is asked for, until the signal says so, the loop is left, or the pool is closed. */
export async function* watchChanges(
  pool: Pool,
  filename: PathLike,
  given?: unknown,
): AsyncGenerator<Change, undefined> {
  const options = optionsOf<WatchOptions>(given)
  const path = pathOf(filename, 'filename')
  const most = integer('options.maxQueue', options.maxQueue ?? STANDARD_QUEUE, 1)
  const overflow = checkChoice('options.overflow', options.overflow ?? 'ignore', ['ignore', 'error'])
  const signal = signalOf(options)
  const ignores = ignoring(options.ignore)
  mustNotBeAborted(signal)

  const queue: Change[] = []
  let failure: Error | undefined
  let isOver = false
  let more = Promise.withResolvers<void>()
  const end = (error?: Error): void => {
    failure ??= error
    isOver = true
    more.resolve()
  }
  const onAbort = (): void => end(aborted(signal!))
  const watching = new ChangeWatch(pool, path, treeOf(options), {
    changed(change) {
      if (ignores(change.filename)) return
      if (queue.length < most) queue.push({ ...change, filename: encoded(change.filename, options) })
      else if (overflow === 'error') end(tooManyChanges(most))
      else process.emitWarning('fs.watch maxQueue exceeded')
      more.resolve()
    },
    ended: end,
  })
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    await started(watching, path)
    for (;;) {
      if (failure === undefined) yield* queue.splice(0)
      if (failure !== undefined) throw failure
      if (isOver) return undefined
      if (queue.length === 0) await more.promise
      more = Promise.withResolvers<void>()
    }
  } finally {
    watching.close()
    signal?.removeEventListener('abort', onAbort)
  }
}

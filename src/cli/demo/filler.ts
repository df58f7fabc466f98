/**
 * The third process: wants every free byte of the pool. It writes new files until the pool is full and then goes on
 * trying, so that a block that is given up too early has a new owner within milliseconds.
 */
import type { Hash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '../../errors.ts'
import type { File, Pool } from '../../index.ts'
import { openPool } from '../../index.ts'
import type { ChildProgram } from './child-program.ts'
import { serveCalls } from './child-program.ts'
import { contentOf, newHash } from './content.ts'
import type { Playground } from './playground.ts'

export interface NewFile {
  readonly path: string
  readonly bytes: number
  /** Of what was written. */
  readonly hash: string
}

const FILE_BYTES = 4 << 20
const CHUNK_BYTES = 256 << 10
const PAUSE_MS = 5

class Filling {
  readonly #pool: Pool
  readonly #prefix: string
  readonly #files: NewFile[] = []
  readonly #end: Promise<void>
  #isStopping = false
  #bytes = 0
  /** Who waits for a try that begins after they asked and finds no space. */
  readonly #waiting: (() => void)[] = []

  /** Starts at once; names begin with `prefix`. */
  constructor(pool: Pool, prefix: string) {
    this.#pool = pool
    this.#prefix = prefix
    this.#end = this.#run()
    // Met in stop(), or by whoever waits.
    this.#end.catch(() => undefined)
  }

  /** Takes all the space that is free now; resolves with the bytes written since the start. */
  async full(): Promise<number> {
    await Promise.race([this.#end, new Promise<void>((resolve) => this.#waiting.push(resolve))])
    return this.#bytes
  }

  /** Fills what is free now, then stops. */
  async stop(): Promise<NewFile[]> {
    this.#isStopping = true
    await this.#end
    return this.#files
  }

  async #run(): Promise<void> {
    for (;;) {
      const path = `${this.#prefix}${this.#files.length + 1}`
      await using file = await this.#pool.open(path, 'wx')
      const hash = newHash()
      const bytes = await this.#write(file, path, hash)
      this.#files.push({ path, bytes, hash: hash.digest('hex') })
      if (bytes < FILE_BYTES) return
    }
  }

  /** Returns when the file has its size, or when the pool is full and the filler is to stop. */
  async #write(file: File, path: string, hash: Hash): Promise<number> {
    for (let bytes = 0; ;) {
      if (bytes === FILE_BYTES) return bytes
      const isLast = this.#isStopping
      const asked = this.#waiting.length
      const chunk = contentOf(path, bytes, Math.min(CHUNK_BYTES, FILE_BYTES - bytes))
      const written = await writeIfThereIsSpace(file, chunk, bytes)
      hash.update(chunk.subarray(0, written))
      bytes += written
      this.#bytes += written
      if (written > 0) continue
      for (const resolve of this.#waiting.splice(0, asked)) resolve()
      if (isLast) return bytes
      await delay(PAUSE_MS)
    }
  }
}

async function writeIfThereIsSpace(file: File, chunk: Buffer, position: number): Promise<number> {
  try {
    return (await file.write(chunk, { position })).bytesWritten
  } catch (error) {
    if (codeOf(error) === 'ENOSPC') return 0
    throw error
  }
}

let pool: Pool | undefined
let filling: Filling | undefined

const calls = {
  openPool: async (path: string): Promise<void> => {
    pool = await openPool(path)
  },
  /** Starts; resolves when the pool is full, with the bytes written. */
  start: (prefix: string): Promise<number> => {
    filling = new Filling(mustHave(pool), prefix)
    return filling.full()
  },
  /** Resolves when what has become free by now has new owners, with the bytes written since the start. */
  full: (_: undefined): Promise<number> => mustHave(filling).full(),
  stop: (_: undefined): Promise<NewFile[]> => mustHave(filling).stop(),
  closePool: async (_: undefined): Promise<void> => pool?.close(),
}

function mustHave<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the calls came in the wrong order')
  return value
}

export type Filler = ChildProgram<typeof calls>

export const startFiller = (playground: Playground): Filler => playground.start<typeof calls>(import.meta.url)

serveCalls(import.meta.url, calls)

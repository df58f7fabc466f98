/**
 * PoolDir: a directory that is read entry by entry. It holds nothing, so that one which is forgotten costs nothing.
 * There is no `readSync`: reading may wait.
 */
import type { Dirent } from 'node:fs'
import { codedError } from './node-words.ts'
import { PoolDirent } from './dirent.ts'
import type { Listed } from './read-directory.ts'

export class PoolDir implements AsyncIterable<Dirent> {
  /** As it was opened. */
  readonly path: string
  readonly #entries: AsyncGenerator<Listed>
  readonly #encoding: unknown
  #isClosed = false

  constructor(path: string, entries: AsyncGenerator<Listed>, encoding: unknown) {
    this.path = path
    this.#entries = entries
    this.#encoding = encoding
  }

  /** The next entry, null at the end. ERR_DIR_CLOSED. */
  read(): Promise<Dirent | null>
  read(callback: (error: Error | null, entry: Dirent | null) => void): void
  read(callback?: (error: Error | null, entry: Dirent | null) => void): Promise<Dirent | null> | void {
    const next = this.#next()
    if (callback === undefined) return next
    next.then(
      (entry) => process.nextTick(callback, null, entry),
      (error: Error) => process.nextTick(callback, error, null),
    )
  }

  async #next(): Promise<Dirent | null> {
    this.#mustBeOpen()
    const { value, done } = await this.#entries.next()
    return done === true ? null : new PoolDirent(value.entry, value.directory, this.#encoding)
  }

  close(): Promise<void>
  close(callback: (error: Error | null) => void): void
  close(callback?: (error: Error | null) => void): Promise<void> | void {
    const closed = (async () => this.closeSync())()
    if (callback === undefined) return closed
    closed.then(
      () => process.nextTick(callback, null),
      (error: Error) => process.nextTick(callback, error),
    )
  }

  closeSync(): void {
    this.#mustBeOpen()
    this.#isClosed = true
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Dirent, undefined> {
    try {
      for (let entry = await this.read(); entry !== null; entry = await this.read()) yield entry
    } finally {
      if (!this.#isClosed) this.closeSync()
    }
    return undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isClosed) this.closeSync()
  }

  [Symbol.dispose](): void {
    if (!this.#isClosed) this.closeSync()
  }

  #mustBeOpen(): void {
    if (this.#isClosed) throw codedError('ERR_DIR_CLOSED', 'Directory handle was closed')
  }
}

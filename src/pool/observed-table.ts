/**
 * The pin table's memory for who may only read it: files opened and mapped for reading, nothing made, nothing locked.
 *
 * Invariant: a part of a file is mapped only when its owner has said that it is there (slot count, record count), which it
 * does after it made the file that long: no SIGBUS. Stores are refused here; through the mapping they would be a crash.
 */
import assert from 'node:assert/strict'
import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { codeOf, systemError } from '../errors.ts'
import { TABLE_WORDS } from '../layout/format.ts'
import type { TableMemory } from '../layout/surroundings.ts'
import type { Words } from '../layout/words.ts'
import { MappedWords } from '../layout/words.ts'
import { damagedTable, MAX_SLOTS } from '../layout/table-counts.ts'
import { isAnyLocked, isLocked } from '../platform/file-lock.ts'
import type { MappedMemory } from '../platform/memory-map.ts'
import { mapForReading } from '../platform/memory-map.ts'
import type { PoolDirectory } from './pool-directory.ts'
import { LockByte } from './pool-directory.ts'
import { CHUNK_BYTES, SLOT_BYTES, WORD_BYTES } from './shared-table.ts'

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants

class ReadOnlyWords extends MappedWords {
  override store(): never {
    return stored()
  }
  override add(): never {
    return stored()
  }
  override compareExchange(): never {
    return stored()
  }
  override set(): never {
    return stored()
  }
  override setWide(): never {
    return stored()
  }
}

const stored = (): never => assert.fail('who only reads stores nothing in the pin table')

export class ObservedTable implements TableMemory {
  readonly table: Words
  readonly #directory: PoolDirectory
  /** Looks at locks; -1 afterwards. */
  #fd: number
  readonly #mappings: MappedMemory[] = []
  readonly #views: ArrayBuffer[] = []
  readonly #slots: Words[] = []
  readonly #chunks: Words[][] = []

  constructor(directory: PoolDirectory) {
    this.#directory = directory
    this.#fd = open(directory.table)
    try {
      this.table = this.#map(this.#fd, directory.table, 0, TABLE_WORDS * WORD_BYTES)
    } catch (error) {
      closeSync(this.#fd)
      throw error
    }
  }

  isAlive(slot: number): boolean {
    return isLocked(this.#fd, LockByte.slot(slot))
  }

  /** Whether anybody has the pool open. */
  isAnybodyAlive(): boolean {
    return isAnyLocked(this.#fd, LockByte.slot(0), MAX_SLOTS)
  }

  slot(index: number): Words {
    return (this.#slots[index] ??= this.#mapFile(this.#directory.slot(index), 0, SLOT_BYTES))
  }

  chunk(slot: number, chunk: number): Words {
    const chunks = (this.#chunks[slot] ??= [])
    return (chunks[chunk] ??= this.#mapFile(this.#directory.slot(slot), SLOT_BYTES + chunk * CHUNK_BYTES, CHUNK_BYTES))
  }

  close(): void {
    for (const view of this.#views) view.transfer(0)
    for (const mapping of this.#mappings) mapping.unmap()
    closeSync(this.#fd)
    this.#fd = -1
  }

  #mapFile(path: string, offset: number, length: number): Words {
    const fd = open(path)
    try {
      return this.#map(fd, path, offset, length)
    } finally {
      closeSync(fd)
    }
  }

  #map(fd: number, path: string, offset: number, length: number): Words {
    const file = fstatSync(fd)
    if (!file.isFile()) throw damagedTable(`${path} is no regular file`)
    if (file.size < offset + length) {
      const explanation = 'the file is shorter than it must be; have somebody who may write open the pool once'
      throw systemError('EUCLEAN', explanation, { syscall: 'open', path })
    }
    const mapping = mapForReading(fd, offset, length)
    this.#mappings.push(mapping)
    const view = mapping.view(0, length)
    this.#views.push(view)
    return new ReadOnlyWords(view)
  }
}

function open(path: string): number {
  try {
    // O_NONBLOCK: a pipe put there must not keep us waiting.
    return openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  } catch (error) {
    const code = codeOf(error)
    if (code === 'EACCES') {
      const explanation = 'the file may not be read; have its owner say chmod -R go+rX to the pool directory'
      throw systemError(code, explanation, { syscall: 'open', path })
    }
    if (code === 'ENOENT') {
      const explanation = 'the pool has no pin table yet; have somebody who may write open it once'
      throw systemError(code, explanation, { syscall: 'open', path })
    }
    if (code === 'ELOOP') throw damagedTable(`${path} is no regular file`)
    throw error
  }
}

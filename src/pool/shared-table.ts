/**
 * The pin table's memory, liveness and bells for real: mapped files, open-file-description locks, FIFOs.
 *
 * Invariants
 *   1. All locks of a participant belong to one open file description, made by `open` below through node:fs: the kernel
 *      drops them when the process dies, and Node closes the descriptor when the worker thread ends. Nothing is mapped
 *      through it: a mapping keeps its description alive, and that of an ended thread stays until its process ends.
 *   2. A file is made longer, its space allocated, before a mapping of the new part is touched: no SIGBUS.
 *   3. Whoever may read or write the table file may do that to the slots, whoever makes them: they take its permissions,
 *      as SQLite's log takes those of meta.db. So a chmod of the pool holds for what is made later.
 */
import { closeSync, constants, fchmodSync, fstatSync, ftruncateSync, lstatSync, openSync, statSync } from 'node:fs'
import { codeOf, systemError } from '../errors.ts'
import type { PoolLock } from '../layout/busy-extents.ts'
import { CHUNK_RECORDS, CHUNK_WORDS, Slot, SLOT_WORDS, Table, TABLE_MAGIC, TABLE_WORDS } from '../layout/format.ts'
import type { Bells, Liveness, TableMemory } from '../layout/surroundings.ts'
import { damagedTable, MAX_RECORDS, MAX_SLOTS } from '../layout/table-counts.ts'
import type { Words } from '../layout/words.ts'
import { MappedWords } from '../layout/words.ts'
import { Bell, Doorbell } from '../platform/doorbell.ts'
import { makeFifo } from '../platform/fifo.ts'
import { isAnyLocked, isLocked, tryLock, unlock } from '../platform/file-lock.ts'
import { allocateSpace } from '../platform/file-space.ts'
import type { MappedMemory } from '../platform/memory-map.ts'
import { mapShared } from '../platform/memory-map.ts'
import type { PoolDirectory } from './pool-directory.ts'
import { LockByte } from './pool-directory.ts'

const { O_CREAT, O_NOFOLLOW, O_RDWR } = constants
export const WORD_BYTES = 4
export const SLOT_BYTES = SLOT_WORDS * WORD_BYTES
export const CHUNK_BYTES = CHUNK_WORDS * WORD_BYTES

export class SharedTable implements TableMemory {
  readonly table: Words
  readonly liveness: Liveness
  readonly #directory: PoolDirectory
  readonly #permissions: number
  /** The description that has this participant's locks; -1 afterwards, as the number may be another file's by then. */
  #fd: number
  readonly #mappings: MappedMemory[] = []
  readonly #views: ArrayBuffer[] = []
  readonly #slots: Words[] = []
  readonly #chunks: Words[][] = []
  #ownSlot = -1

  constructor(directory: PoolDirectory) {
    this.#directory = directory
    this.#fd = openFile(directory.table)
    try {
      requireLocks(this.#fd, directory)
      this.#permissions = permissionsOf(fstatSync(this.#fd).mode)
      this.table = this.#mapFile(directory.table, 0, TABLE_WORDS * WORD_BYTES)
    } catch (error) {
      closeSync(this.#fd)
      throw error
    }
    this.liveness = {
      isAlive: (slot) => slot === this.#ownSlot || isLocked(this.#fd, LockByte.slot(slot)),
      tryOwn: (slot) => tryLock(this.#fd, LockByte.slot(slot), 'exclusive'),
      disown: (slot) => unlock(this.#fd, LockByte.slot(slot)),
    }
  }

  /** A lock among participants, by byte of the table file. */
  lock(byte: number): PoolLock {
    return { tryLock: () => tryLock(this.#fd, byte, 'exclusive'), unlock: () => unlock(this.#fd, byte) }
  }

  /** Whether anybody has the pool open; asks the locks, whatever the table says. */
  isAnybodyAlive(): boolean {
    return isAnyLocked(this.#fd, LockByte.slot(0), MAX_SLOTS)
  }

  /**
   * For a table that nobody has open, in which nothing is of value: where its counts say more than its files have, it was
   * damaged, and they are made to say no more. The caller has the opening lock.
   */
  mend(): void {
    const { table } = this
    if (table.load(Table.magic) !== TABLE_MAGIC) {
      // No table yet, or none any more: a count beside it says nothing, and would when it is one again.
      table.store(Table.slotCount, 0)
      return
    }
    const count = table.load(Table.slotCount) >>> 0
    let slot = 0
    for (; slot < Math.min(count, MAX_SLOTS); slot++) {
      const bytes = lstatSync(this.#directory.slot(slot), { throwIfNoEntry: false })?.size ?? 0
      if (bytes < SLOT_BYTES) break
      const words = this.slot(slot)
      const records = Math.min(Math.floor((bytes - SLOT_BYTES) / CHUNK_BYTES) * CHUNK_RECORDS, MAX_RECORDS)
      if (words.load(Slot.recordCount) >>> 0 > records) words.store(Slot.recordCount, records)
    }
    if (slot !== count) table.store(Table.slotCount, slot)
  }

  /** Takes the first slot that nobody lives in. ENFILE: there are as many participants as there can be. */
  takeSlot(): number {
    let slot = 0
    while (!this.liveness.tryOwn(slot)) {
      if (++slot < MAX_SLOTS) continue
      const what = `the pool is open ${MAX_SLOTS} times already`
      throw systemError('ENFILE', what, { syscall: 'open', path: this.#directory.path })
    }
    this.#ownSlot = slot
    return slot
  }

  slot(index: number): Words {
    return (this.#slots[index] ??= this.#mapSlot(index, 0, SLOT_BYTES))
  }

  chunk(slot: number, chunk: number): Words {
    const chunks = (this.#chunks[slot] ??= [])
    return (chunks[chunk] ??= this.#mapSlot(slot, SLOT_BYTES + chunk * CHUNK_BYTES, CHUNK_BYTES))
  }

  /**
   * Ends all mappings and, by closing the description, all locks. Whatever still comes then meets a TypeError, no signal;
   * or EBADF.
   */
  close(): void {
    for (const view of this.#views) view.transfer(0)
    for (const mapping of this.#mappings) mapping.unmap()
    closeSync(this.#fd)
    this.#fd = -1
  }

  /** Only the own slot is made, and made longer. Of others all is there that they tell of; what is not, is damage. */
  #mapSlot(slot: number, offset: number, length: number): Words {
    const path = this.#directory.slot(slot)
    if (slot !== this.#ownSlot) {
      const file = lstatSync(path, { throwIfNoEntry: false })
      if (file === undefined || file.size < offset + length) {
        throw damagedTable(`slot ${slot} says more than its file has`)
      }
    }
    return this.#mapFile(path, offset, length)
  }

  #mapFile(path: string, offset: number, length: number): Words {
    const fd = openFile(path)
    try {
      return this.#map(fd, offset, length)
    } finally {
      closeSync(fd)
    }
  }

  #map(fd: number, offset: number, length: number): Words {
    // Longer first: space beyond the end would go again at once. Allocated even when it is long enough: who made it longer
    // may have found no space, or died, before that.
    const file = fstatSync(fd)
    if (!file.isFile()) throw damagedTable('one of its files is no regular file')
    // It would be made longer, and written to, wherever the other name is.
    if (file.nlink > 1) throw damagedTable('one of its files has a second name')
    const { size, mode, uid } = file
    const isNew = size === 0 && uid === process.geteuid?.()
    if (isNew && permissionsOf(mode) !== this.#permissions) fchmodSync(fd, this.#permissions)
    if (size < offset + length) ftruncateSync(fd, offset + length)
    allocateSpace(fd, offset, length)
    const mapping = mapShared(fd, offset, length)
    this.#mappings.push(mapping)
    const view = mapping.view(0, length)
    this.#views.push(view)
    return new MappedWords(view)
  }
}

function openFile(path: string): number {
  try {
    return openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600)
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ELOOP' || code === 'EISDIR' || code === 'ENXIO') throw damagedTable(`${path} is no regular file`)
    throw error
  }
}

const permissionsOf = (mode: number): number => mode & 0o666

/**
 * ENOLCK unless a lock of one description is seen by another: without that nobody could tell who is alive. A lock that is
 * refused is seen as well: another thread or process asks the same at this moment.
 */
function requireLocks(fd: number, directory: PoolDirectory): void {
  const { probe } = LockByte
  const other = openSync(directory.table, O_RDWR | O_NOFOLLOW)
  try {
    const isSeen = !tryLock(fd, probe, 'exclusive') || isLocked(other, probe)
    unlock(fd, probe)
    if (isSeen) return
  } catch (error) {
    if (codeOf(error) !== 'ENOLCK') throw error
  } finally {
    closeSync(other)
  }
  const what = 'the file system has no working byte-range locks; put the pool on ext4, XFS, btrfs or tmpfs'
  throw systemError('ENOLCK', what, { syscall: 'open', path: directory.path })
}

/** Doorbells as FIFOs beside the slots. */
export class FifoBells implements Bells {
  readonly #directory: PoolDirectory
  readonly #doorbell: Doorbell
  readonly #bells = new Map<number, Bell>()

  /** The caller owns the slot. */
  constructor(directory: PoolDirectory, slot: number) {
    this.#directory = directory
    const path = directory.bell(slot)
    const writers = statSync(directory.table).mode & 0o222
    try {
      // Who may only read the pool would take the bytes that wake its owner.
      makeFifo(path, writers | (writers << 1))
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error
    }
    this.#doorbell = new Doorbell(path)
  }

  ring(slot: number): void {
    let bell = this.#bells.get(slot)
    if (bell === undefined) this.#bells.set(slot, (bell = new Bell(this.#directory.bell(slot))))
    bell.ring()
  }

  onRing(listener: () => void): void {
    this.#doorbell.onRing(listener)
  }

  setWaiting(isWaiting: boolean): void {
    if (isWaiting) this.#doorbell.ref()
    else this.#doorbell.unref()
  }

  close(): void {
    this.#doorbell.close()
    for (const bell of this.#bells.values()) bell.close()
  }
}

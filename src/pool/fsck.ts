/**
 * fsck of a pool that nobody has open: metadata and device, checked and repaired. (Of one in use the metadata are checked by
 * `Pool.check`.) The opening lock is held all the time, so that whoever wants to open the pool waits.
 *
 * Order of a repair: what is to be copied is copied to free blocks and flushed, then the metadata are committed. A death in
 * between leaves blocks that are free and not zero, so the mark that the device is sound goes before: the next open then
 * punches free blocks as after a power failure.
 */
import { closeSync, constants, fdatasyncSync, existsSync, fstatSync, openSync, statSync } from 'node:fs'
import { randomUUID } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { FileDevice, fileSizeOf } from '../device/file-device.ts'
import { DATA_START, readLabel, writeLabel } from '../device/label.ts'
import type { DeviceLabel } from '../device/label.ts'
import { codeOf, systemError } from '../errors.ts'
import type { Finding } from '../metadata/metadata.ts'
import { isDamaged, OfflineStore } from '../metadata/offline-store.ts'
import type { OnStep, Plan } from '../metadata/offline-store.ts'
import type { DeviceFacts } from '../metadata/salvage.ts'
import { extendTo } from '../platform/file-space.ts'
import { assertSupportedPlatform } from '../platform/libc.ts'
import { BLOCK_SIZE } from '../units.ts'
import type { BlockCount } from '../units.ts'
import { spaceFindings } from './check-device.ts'
import { requirePool, requireWritable, takeOpeningLock } from './opening.ts'
import { LockByte, poolDirectory } from './pool-directory.ts'
import type { PoolDirectory } from './pool-directory.ts'
import { demandRepair, isSound } from './recovery.ts'
import { SharedTable } from './shared-table.ts'

export interface FsckOptions {
  /** Asked with what is to be done, before it is; default: only check. */
  readonly approve?: (actions: readonly string[]) => Promise<boolean>
  readonly onStep?: OnStep
  readonly signal?: AbortSignal
}

export interface FsckReport {
  readonly findings: readonly Finding[]
  /** What was done about them, in words. */
  readonly repairs: readonly string[]
  /** What is left: the findings, unless all was repaired. */
  readonly left: readonly Finding[]
  /** Where metadata that were written anew are kept as they were. */
  readonly keptAs: string | undefined
}

/**
 * EBUSY: somebody has the pool open. EACCES, EROFS: the directory may not be written, which the lock needs. EPROTONOSUPPORT.
 * Price: a minute for 1,000,000 files.
 */
export async function fsck(path: string, options: FsckOptions = {}): Promise<FsckReport> {
  assertSupportedPlatform()
  const directory = poolDirectory(path)
  requirePool(directory)
  requireWritable(directory)
  const shared = new SharedTable(directory)
  try {
    const opening = shared.lock(LockByte.opening)
    await takeOpeningLock(opening, path, options.signal)
    if (shared.isAnybodyAlive()) {
      throw systemError('EBUSY', 'the pool is open somewhere; close it there, or check with --online', {
        syscall: 'fsck',
        path,
      })
    }
    return await new Fsck(directory, options).run()
  } finally {
    shared.close()
  }
}

class Fsck {
  readonly #directory: PoolDirectory
  readonly #options: FsckOptions
  readonly #label: DeviceLabel
  readonly #size: number
  readonly #onStep: OnStep

  constructor(directory: PoolDirectory, options: FsckOptions) {
    this.#directory = directory
    this.#options = options
    this.#label = readLabel(directory.device)
    this.#size = statSync(directory.device).size
    this.#onStep = async (label, step, steps) => {
      await options.onStep?.(label, step, steps)
      await setImmediate()
      options.signal?.throwIfAborted()
    }
  }

  async run(): Promise<FsckReport> {
    const isForRepair = this.#options.approve !== undefined
    // What the log tells of goes into meta.db when this is over; the bytes it tells of go first.
    if (isForRepair) flush(this.#directory.device)
    let store: OfflineStore
    try {
      store = await OfflineStore.open(this.#directory.metadata, isForRepair)
    } catch (error) {
      if (codeOf(error) !== 'EUCLEAN') throw error
      const findings = [{ code: 'unreadable', message: (error as Error).message }]
      return { findings, repairs: [], left: findings, keptAs: undefined }
    }
    try {
      const found = await store.check(this.#onStep)
      const findings = [...this.#deviceFindings(store.properties()), ...found]
      if (findings.length === 0) findings.push(...this.#spaceFindings(store))
      if (findings.length === 0 || !isForRepair) return { findings, repairs: [], left: findings, keptAs: undefined }
      return await this.#repair(store, findings, found)
    } finally {
      store.close()
    }
  }

  async #repair(store: OfflineStore, findings: readonly Finding[], found: readonly Finding[]): Promise<FsckReport> {
    const nothing = { findings, repairs: [], left: findings, keptAs: undefined }
    // Whose blocks are these? Nothing that is written here would be right.
    if (findings.some(({ code }) => code === 'device-other')) return nothing
    const repairs: string[] = []
    const approve = async ({ actions, copies }: Plan): Promise<boolean> => {
      const all = [...this.#deviceActions(findings), ...actions]
      if ((await this.#options.approve?.(all)) !== true) return false
      this.#options.signal?.throwIfAborted()
      demandRepair(this.#directory)
      await this.#mendDevice(store, findings, copies)
      repairs.push(...all)
      return true
    }
    let left: Finding[] | undefined
    if (found.length === 0) {
      return (await approve({ actions: [], copies: [] })) ? { ...nothing, repairs, left: [] } : nothing
    }
    if (!isDamaged(found)) left = await store.repair(this.#deviceFacts(store), approve, this.#onStep)
    if (left === undefined && !isDamaged(found)) return nothing
    if (left?.length === 0) return { findings, repairs, left, keptAs: undefined }
    const keptAs = freePath(`${this.#directory.metadata}.damaged`)
    const { unfinishedMetadata } = this.#directory
    left = await store.rebuild(unfinishedMetadata, keptAs, this.#deviceFacts(store), approve, this.#onStep)
    return left?.length === 0 ? { findings, repairs, left, keptAs } : { ...nothing, left: left ?? findings }
  }

  #deviceFindings(store: DeviceFacts | undefined): Finding[] {
    const findings: Finding[] = []
    const label = this.#label
    if ('damage' in label) {
      if (label.damage === 'newer') {
        throw systemError('EPROTONOSUPPORT', 'the device has a label of a newer format; use a newer Holdfast', {
          syscall: 'fsck',
          path: this.#directory.device,
        })
      }
      findings.push({ code: 'device-label', message: `the label of the device is ${label.damage}` })
    } else if (store !== undefined && label.uuid !== store.uuid) {
      const message = `the device is that of pool ${label.uuid}, the metadata are those of pool ${store.uuid}`
      findings.push({ code: 'device-other', message })
    }
    if (store !== undefined && this.#size < fileSizeOf(store.blockCount)) {
      const message = `the device has ${this.#size} bytes and should have ${fileSizeOf(store.blockCount)}`
      findings.push({ code: 'device-size', message })
    }
    return findings
  }

  /** Only when the metadata are sound, and when this boot has made the device so. */
  #spaceFindings(store: OfflineStore): Finding[] {
    return isSound(this.#directory) ? spaceFindings(this.#directory.device, store.runs()) : []
  }

  #deviceActions(findings: readonly Finding[]): string[] {
    const actions: string[] = []
    for (const { code } of findings) {
      if (code === 'device-label') actions.push('the device gets its label again')
      if (code === 'device-size') actions.push('the device is made as long as it was; what was cut off reads as zeros')
    }
    const isSpace = ({ code }: Finding): boolean => code === 'free-not-zero' || code === 'mapped-without-space'
    if (findings.some(isSpace)) actions.push('the space of the device is put right when the pool is opened next')
    return actions
  }

  async #mendDevice(store: OfflineStore, findings: readonly Finding[], copies: Plan['copies']): Promise<void> {
    const { device: path } = this.#directory
    const { uuid, blockCount } = this.#deviceFacts(store)
    if (findings.some(({ code }) => code === 'device-label')) writeLabel(path, uuid)
    if (this.#size < fileSizeOf(blockCount)) {
      const fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW)
      try {
        extendTo(fd, fileSizeOf(blockCount))
      } finally {
        closeSync(fd)
      }
    }
    if (copies.length === 0) return
    const device = FileDevice.open(path, blockCount as BlockCount)
    try {
      for (const { from, to, count } of copies) {
        device.allocate({ start: to, count } as never)
        const target = new Uint8Array(device.map({ start: to, count } as never))
        target.set(new Uint8Array(device.map({ start: from, count } as never)))
      }
      await device.flush()
    } finally {
      device.close()
    }
  }

  /** The device as it is when its own findings are mended. */
  #deviceFacts(store: OfflineStore): DeviceFacts {
    const there = Math.floor((this.#size - DATA_START) / BLOCK_SIZE)
    const said = store.properties()
    const uuid = 'uuid' in this.#label ? this.#label.uuid : said?.uuid
    return { uuid: uuid ?? randomUUID(), blockCount: Math.max(there, said?.blockCount ?? 1, 1) }
  }
}

function flush(path: string): void {
  const fd = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    if (fstatSync(fd).isFile()) fdatasyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function freePath(stem: string): string {
  for (let nth = 1; ; nth++) {
    const path = nth === 1 ? stem : `${stem}-${nth}`
    if (!existsSync(path)) return path
  }
}

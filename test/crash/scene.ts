/**
 * Scene: a recorded pool and what workloads do to it, in words of one line each. Everything written is stamped with its
 * file's inode, in every 32 bit word, so that bytes in the wrong place are known for what they are.
 */
import { join } from 'node:path'
import type { File, Pin, Pool } from '../../src/index.ts'
import { createPool } from '../../src/index.ts'
import { reclaimBusyExtents } from '../../src/layout/busy-extents.ts'
import type { Reclaiming } from '../../src/layout/busy-extents.ts'
import { reclaimIdleLostFiles } from '../../src/layout/lost-and-found.ts'
import type { Random } from '../stress/random.ts'
import { stampOf } from './file-contents.ts'
import type { Faults } from './recorder.ts'
import { Recorder } from './recorder.ts'

export const POOL_BYTES = 1 << 20

/** Changes how the scene itself works, to plant a defect. */
export interface SceneFaults extends Faults {
  readonly reclaiming?: (work: Reclaiming) => Reclaiming
}

export class Scene {
  readonly recorder: Recorder
  readonly random: Random
  readonly #faults: SceneFaults
  readonly #pins: Pin[] = []
  pool: Pool
  #round = 1

  private constructor(recorder: Recorder, pool: Pool, random: Random, faults: SceneFaults) {
    this.recorder = recorder
    this.pool = pool
    this.random = random
    this.#faults = faults
  }

  /** A new pool in `directory`, 1 MiB, recorded from its second opening on. `isLate`: as a mount that is alone has it. */
  static async of(directory: string, random: Random, faults: SceneFaults = {}, isLate = false): Promise<Scene> {
    const path = join(directory, 'pool')
    await (await createPool(path, { sizeBytes: POOL_BYTES })).close()
    const recorder = new Recorder(path, faults, isLate ? () => random.chance(0.2) : undefined)
    return new Scene(recorder, await recorder.open(), random, faults)
  }

  async end(): Promise<void> {
    this.release()
    await this.pool.close()
    this.recorder.close()
  }

  /** Closes the pool and opens it again. */
  async reopen(): Promise<void> {
    this.release()
    await this.pool.close()
    this.pool = await this.recorder.open()
    this.recorder.step('opened again')
  }

  stamp(ino: number, length: number): Buffer {
    const words = new Uint32Array(length / 4).fill(stampOf(ino, this.#round++))
    return Buffer.from(words.buffer)
  }

  /** Offset and length in bytes, multiples of 4. Makes the file when there is none. */
  async write(path: string, position: number, length: number): Promise<void> {
    await using file = await this.pool.open(path, (await this.pool.exists(path)) ? 'r+' : 'w+')
    await this.writeTo(file, position, length)
  }

  async writeTo(file: File, position: number, length: number): Promise<void> {
    await file.write(this.stamp(file.ino, length), { position })
    this.recorder.step(`written to ${file.path}`)
  }

  async append(path: string, length: number): Promise<void> {
    await using file = await this.pool.open(path, 'a')
    await file.write(this.stamp(file.ino, length))
    this.recorder.step(`appended to ${path}`)
  }

  async sync(path: string): Promise<void> {
    await using file = await this.pool.open(path, 'r+')
    await this.recorder.synced(() => file.sync(), [file.ino])
  }

  async syncAll(): Promise<void> {
    await this.recorder.synced(() => this.pool.sync())
  }

  /** Holds a pin until `release`. */
  async pin(
    path: string,
    offset: number,
    length: number,
    how: { write?: boolean; stable?: boolean } = {},
  ): Promise<Pin> {
    await using file = await this.pool.open(path, 'r+')
    const mode = how.write === true ? 'write' : 'read'
    const pin = await file.pin({ offset, length, mode, stable: how.stable === true })
    this.#pins.push(pin)
    return pin
  }

  /** As a device would: into the blocks, wherever they are by now. */
  dma(pin: Pin, ino: number): void {
    for (const buffer of pin.buffers) buffer.set(this.stamp(ino, buffer.length - (buffer.length % 4)))
    this.recorder.step('DMA')
  }

  release(): void {
    for (const pin of this.#pins.splice(0)) pin.release()
  }

  /** Gives back what is idle, as a pass in the background would. */
  async reclaim(): Promise<void> {
    const { fileSystem } = this.pool
    await reclaimIdleLostFiles(fileSystem)
    const reclaimLock = { tryLock: () => true, unlock: () => undefined }
    const work = { table: fileSystem.table, metadata: fileSystem.metadata, device: fileSystem.device, reclaimLock }
    await reclaimBusyExtents(this.#faults.reclaiming?.(work) ?? work)
  }

  /** As housekeeping does when the log has become long. */
  async checkpoint(): Promise<void> {
    const { device, metadata } = this.pool.fileSystem
    await device.flush()
    await metadata.checkpoint()
  }
}

export type Workload = (scene: Scene) => Promise<void>

/**
 * A capture: a device writes into pinned blocks of a file. Here the device is the host's disk, by O_DIRECT reads straight
 * into the blocks, over and over while a change is made and on after it; and a pipe whose last bytes come after it.
 */
import { constants, openSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { Socket } from 'node:net'
import { openDirect } from '../../http/lab/open-direct.ts'
import type { File } from '../../index.ts'
import type { Client } from './client.ts'
import { nowMs } from './child-program.ts'
import type { ByteRange, Scene } from './scene.ts'
import { DEVICE_CONTENT } from './scene.ts'

type Pin = Awaited<ReturnType<File['pin']>>

export class Capture implements AsyncDisposable {
  /** Whether the host's file system takes O_DIRECT into these buffers; false: plain reads. */
  readonly isDirect: boolean
  readonly #disk: FileHandle
  readonly #early: readonly Pin[]
  readonly #late: readonly Pin[]
  readonly #pipePin: Pin
  #isChangeMade = false
  #rounds: Promise<void> | undefined
  #pipe: Socket | undefined
  #fromPipe: Promise<number> | undefined

  private constructor(disk: FileHandle, isDirect: boolean, pins: { early: Pin[]; late: Pin[]; pipe: Pin }) {
    this.#disk = disk
    this.isDirect = isDirect
    this.#early = pins.early
    this.#late = pins.late
    this.#pipePin = pins.pipe
  }

  /** Pins the windows of `file` and opens the disk. */
  static async prepare(file: File, scene: Scene, diskPath: string): Promise<Capture> {
    const pinOf = ({ start, end }: ByteRange): Promise<Pin> =>
      file.pin({ offset: start, length: end - start, mode: 'write' })
    const pinAll = async (ranges: readonly ByteRange[]): Promise<Pin[]> => {
      const pins: Pin[] = []
      for (const range of ranges) pins.push(await pinOf(range))
      return pins
    }
    const early = await pinAll(scene.earlyWindows())
    const late = await pinAll(scene.lateWindows())
    const pipe = await pinOf(scene.pipeWindow())
    const { disk, isDirect } = await openDirect(diskPath, early[0])
    return new Capture(disk, isDirect, { early, late, pipe })
  }

  /** Starts the device; resolves when each early window was filled once and half of the pipe's bytes are on their way. */
  async begin(client: Client, pipePath: string): Promise<void> {
    const { offset, length } = this.#pipePin
    // For both ends: so this open does not wait for the other one, which would keep a process that ends from ending.
    this.#pipe = new Socket({ fd: openSync(pipePath, constants.O_RDWR | constants.O_NONBLOCK) })
    this.#fromPipe = this.#pipePin.readFrom(this.#pipe)
    this.#fromPipe.catch(() => undefined)
    const half = client.call('sendHalf', { pipe: pipePath, name: DEVICE_CONTENT, offset, length })
    await this.#fill(this.#early)
    this.#rounds = this.#repeat()
    this.#rounds.catch(() => undefined)
    await half
  }

  /** After the change: the rest of the device's data. */
  async finish(client: Client): Promise<void> {
    this.#isChangeMade = true
    await this.#rounds
    await this.#fill(this.#late)
    await client.call('sendRest', undefined)
    await this.#fromPipe
  }

  /** Ends the pins; answers when that began. */
  release(): number {
    const startedMs = nowMs()
    for (const pin of [...this.#early, ...this.#late, this.#pipePin]) pin.release()
    return startedMs
  }

  /** Switches the device off, also in the middle. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isChangeMade = true
    this.#pipe?.destroy()
    await this.#rounds?.catch(() => undefined)
    await this.#disk.close()
  }

  async #repeat(): Promise<void> {
    while (!this.#isChangeMade) await this.#fill(this.#early)
  }

  async #fill(pins: readonly Pin[]): Promise<void> {
    for (const pin of pins) await pin.readFrom(this.#disk, { position: pin.offset })
  }
}

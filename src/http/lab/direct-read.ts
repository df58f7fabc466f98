/**
 * A device that writes into pinned blocks: reads of a file of the host straight into them, past the page cache where the host
 * can (O_DIRECT), over and over while the change is made.
 */
import type { FileHandle } from 'node:fs/promises'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { File } from '../../pool/file.ts'
import type { Pin } from '../../pool/pin.ts'
import type { Check } from './lab-events.ts'
import { openDirect } from './open-direct.ts'
import type { Transfer } from './transfer.ts'
import { EARLY_WINDOWS, hashOf, PAUSE_MS, pinWindows, shortHash } from './transfer.ts'

export class DirectRead implements Transfer {
  /** False: the host takes no O_DIRECT here, so these are plain reads. */
  readonly isDirect: boolean
  readonly #pins: Pin[]
  readonly #content: Uint8Array
  readonly #disk: FileHandle
  readonly #directory: string
  movedBytes = 0
  #isChangeMade = false
  #rounds: Promise<void> | undefined
  #seen: Uint8Array[] = []

  private constructor(
    pins: Pin[],
    content: Uint8Array,
    on: { disk: FileHandle; directory: string; isDirect: boolean },
  ) {
    this.#pins = pins
    this.#content = content
    this.#disk = on.disk
    this.#directory = on.directory
    this.isDirect = on.isDirect
  }

  /** Pins the file, and puts `content`, which is to come into it, on the host's disk. */
  static async prepare(file: File, content: Uint8Array): Promise<DirectRead> {
    const pins = await pinWindows(file, 'write')
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-lab-'))
    const path = join(directory, 'disk')
    await using made = await open(path, 'wx')
    await made.writeFile(content)
    await made.sync()
    return new DirectRead(pins, content, { directory, ...(await openDirect(path, pins[0])) })
  }

  async begin(): Promise<void> {
    for (const pin of this.#pins.slice(0, EARLY_WINDOWS)) {
      await this.#fill(pin)
      this.movedBytes += pin.length
      this.#seen.push(copyOf(pin))
      await sleep(PAUSE_MS)
      pin.release()
    }
    this.#rounds = this.#repeat(this.#pins[EARLY_WINDOWS])
    // Met in finish().
    this.#rounds.catch(() => undefined)
  }

  async finish(): Promise<void> {
    this.#isChangeMade = true
    await this.#rounds
    for (const pin of this.#pins.slice(EARLY_WINDOWS)) {
      await this.#fill(pin)
      this.movedBytes += pin.length
      await sleep(PAUSE_MS)
    }
    // Late: whoever had got these blocks meanwhile would have written over them, or be written over.
    this.#seen.push(...this.#pins.slice(EARLY_WINDOWS).map(copyOf))
  }

  release(): void {
    for (const pin of this.#pins) if (pin.isHeld) pin.release()
  }

  checks(): Check[] {
    const got = Buffer.concat(this.#seen)
    const isRight = hashOf(got) === hashOf(this.#content)
    const how = this.isDirect ? 'O_DIRECT reads' : 'plain reads (no O_DIRECT here)'
    const text = `${how} left ${got.length} bytes where they belong, sha256 ${shortHash(got)}…; the disk has ${shortHash(this.#content)}…`
    return [{ text, isRight }]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isChangeMade = true
    await this.#rounds?.catch(() => undefined)
    this.release()
    await this.#disk.close()
    await rm(this.#directory, { recursive: true, force: true })
  }

  async #repeat(pin: Pin): Promise<void> {
    while (!this.#isChangeMade) {
      await this.#fill(pin)
      await sleep(1)
    }
  }

  async #fill(pin: Pin): Promise<void> {
    await pin.readFrom(this.#disk, { position: pin.offset })
  }
}

const copyOf = (pin: Pin): Uint8Array => Buffer.concat(pin.buffers)

/**
 * Pin: a claim on blocks of a file while I/O uses them, and views of exactly those bytes.
 *
 * Invariants
 *   1. The blocks stay what they are from the grant until the reference count reaches 0 (promise 1). The count never
 *      goes from 0 to 1, and saturates: a pin retained 2^31 times stays for good.
 *   2. A revocable view has length 0 from then on (promise 8).
 *   3. A pin that is dropped without release is never freed by the garbage collector, whose time is not I/O's: it stays
 *      and is reported (own-pins.ts).
 */
import { systemError } from '../errors.ts'
import type { Pinned, PinRange } from '../files/pinning.ts'
import type { RunView } from '../files/run-views.ts'
import type { OwnPins } from './own-pins.ts'
import type { ReadSource, WriteTarget } from './pin-io.ts'
import { readIntoPin, writeFromPin } from './pin-io.ts'
import { STAYS_IN_ITS_THREAD } from './thread-bound.ts'

const MOST_REFERENCES = 0x7fff_ffff
/** What a pin has after its end. */
const NOTHING: Pinned = { record: -1, content: [], views: undefined, writeBack: undefined }

/** The file a pin was taken of. */
export interface PinnedFile {
  readonly ino: number
  readonly path: string
  /** A write pin was granted or released: what is in its blocks may be new. */
  contentChanged(): void
}

export interface IoOptions {
  /** Offset in a file; default: its current position. Not for sockets and pipes. */
  position?: number | undefined
  signal?: AbortSignal | undefined
}

export class Pin implements Disposable {
  /** Bytes of the file the pin covers. */
  readonly offset: number
  readonly length: number
  readonly mode: 'read' | 'write'
  /** A structured clone would be a copy without its claim. */
  protected readonly threadBound = STAYS_IN_ITS_THREAD
  readonly #owner: OwnPins
  readonly #file: PinnedFile
  #pinned: Pinned
  #references = 1

  /** For `file.pin()` and `file.pinSync()`. `pinned.record` below 0: a bounce buffer, which claims no blocks (`dax: 'never'`). */
  constructor(owner: OwnPins, file: PinnedFile, range: PinRange, pinned: Pinned) {
    this.offset = range.offset
    this.length = range.length
    this.mode = range.mode
    this.#owner = owner
    this.#file = file
    this.#pinned = pinned
  }

  /** One view for each run of blocks, in order; a hole, of a read pin, is a run of zeros. Empty after release. */
  get buffers(): readonly Uint8Array[] {
    const { content } = this.#pinned
    if (!(content instanceof Uint8Array)) return content
    const buffers = [content]
    this.#pinned = { ...this.#pinned, content: buffers }
    return buffers
  }

  /** The single view. EINVAL (`ERR_HOLDFAST_SCATTERED`) when the range lies in several runs: use `buffers`. ESTALE after release. */
  get buffer(): Uint8Array {
    const { content } = this.#pinned
    return content instanceof Uint8Array ? content : this.#onlyOf(content)
  }

  #onlyOf(content: readonly Uint8Array[]): Uint8Array {
    if (content.length === 1) return content[0]
    this.#mustBeHeld('buffer')
    const what = `the range lies in ${content.length} runs of blocks; use pin.buffers`
    throw systemError('EINVAL', what, { syscall: 'buffer', path: this.#file.path })
  }

  /** For this project's own front ends; not part of the stable face: its record in the own slot, below 0 when it claims no blocks. */
  get record(): number {
    return this.#pinned.record
  }

  /** Whether the pin still holds its blocks. */
  get isHeld(): boolean {
    return this.#references > 0
  }

  /** Adds a reference: one more `release()` is needed. For I/O that outlives the scope of the pin. ESTALE after release. */
  retain(): this {
    this.#mustBeHeld('retain')
    if (this.#references < MOST_REFERENCES) this.#references++
    return this
  }

  /** Drops a reference; the last one gives the blocks back. ESTALE when the pin was released before. Price: 40 ns, 0.5 µs more for each revocable view. */
  release(): void {
    if (this.#references === 1) this.#end()
    else this.#drop()
  }

  #drop(): void {
    this.#mustBeHeld('release')
    if (this.#references < MOST_REFERENCES) this.#references--
  }

  /** Releases one reference, unless the pin was released already. */
  [Symbol.dispose](): void {
    if (this.#references > 0) this.release()
  }

  /**
   * Takes the views away, for `pool.close({ force: true })`. Not the protection: I/O may go on in the blocks, which stay
   * busy until release or the end of the process (promises 1 and 8). A bounce buffer claims none: it is released.
   */
  revoke(): void {
    const { record, views, writeBack } = this.#pinned
    if (writeBack === undefined) {
      if (views !== undefined) this.#detach(views)
      this.#pinned = { ...NOTHING, record }
    } else if (this.#references > 0) this.#end()
  }

  #detach(views: readonly RunView[]): void {
    for (const view of views) this.#owner.revoke(view)
    for (const buffer of this.buffers) detachOwn(buffer)
  }

  /**
   * Writes the bytes to a FileHandle, socket, pipe or HTTP response straight from the blocks; any other stream gets a
   * copy. The pin lives until the kernel is done with the memory, also when the call fails or is aborted. Returns the
   * bytes written. ESTALE after release.
   */
  async writeTo(target: WriteTarget, options: IoOptions = {}): Promise<number> {
    this.retain()
    try {
      for (const view of this.#pinned.views ?? []) this.#owner.prefetch(view)
      return await writeFromPin(this.buffers, target, options)
    } finally {
      this.release()
    }
  }

  /**
   * Fills the bytes from a FileHandle (also O_DIRECT), socket or pipe straight into the blocks, until the pin is full or
   * the source ends. The pin lives until the kernel is done with the memory. Returns the bytes read. EBADF for a pin of
   * mode 'read', ESTALE after release.
   */
  async readFrom(source: ReadSource, options: IoOptions = {}): Promise<number> {
    this.#mustBeHeld('readFrom')
    if (this.mode !== 'write') {
      throw systemError('EBADF', "the pin is for reading; take one with mode 'write'", {
        syscall: 'readFrom',
        path: this.#file.path,
      })
    }
    this.retain()
    try {
      return await readIntoPin(this.buffers, source, options, this.#owner.watch(this.#pinned.record))
    } finally {
      this.release()
    }
  }

  #end(): void {
    const { record, views, writeBack } = this.#pinned
    if (writeBack !== undefined) writeBack()
    this.#references = 0
    if (this.mode === 'write') this.#file.contentChanged()
    if (views !== undefined) this.#detach(views)
    this.#pinned = NOTHING
    this.#owner.release(record, this.#file.ino)
  }

  #mustBeHeld(syscall: string): void {
    if (this.#references > 0) return
    throw systemError('ESTALE', 'the pin was released', { syscall, path: this.#file.path })
  }
}

/** What is left when the runs are revoked is memory of the pin alone: zeros of a hole, a bounce buffer. */
function detachOwn(buffer: Uint8Array): void {
  if (buffer.length > 0) (buffer.buffer as ArrayBuffer).transfer(0)
}

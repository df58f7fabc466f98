/**
 * Reading an archive from a stream of bytes: headers with their records, content, the CRC-32 of what was read. Takes from
 * the stream what is asked for, no more than a chunk ahead.
 */
import { crc32 } from 'node:zlib'
import type { Records, TarHeader } from './tar.ts'
import { badArchive, decodeHeader, decodeRecords, mustFit, paddingBytes, TAR_BLOCK } from './tar.ts'

/** An entry, or records for all of the archive. */
export type Part =
  | { readonly kind: 'entry'; readonly header: TarHeader; readonly records: Records }
  | { readonly kind: 'global'; readonly records: Records; readonly crcBefore: number }

export class ArchiveReader {
  readonly #source: AsyncIterator<Uint8Array>
  readonly #onRead: ((bytes: number) => void) | undefined
  #chunk: Buffer = Buffer.alloc(0)
  #crc = 0

  /** `onRead` is told of each chunk, in bytes. */
  constructor(source: AsyncIterable<Uint8Array>, onRead: ((bytes: number) => void) | undefined) {
    this.#source = source[Symbol.asyncIterator]()
    this.#onRead = onRead
  }

  /** The next part; the content of the one before has been read. Undefined: the end mark. EBADMSG. */
  async next(): Promise<Part | undefined> {
    let records: Records = new Map()
    for (;;) {
      const crcBefore = this.#crc
      const header = decodeHeader(await this.exactly(TAR_BLOCK))
      if (header === undefined) return undefined
      if (header.type !== 'x' && header.type !== 'g') return { kind: 'entry', header, records }
      records = decodeRecords(await this.exactly(mustFit(header.size)))
      await this.exactly(paddingBytes(header.size))
      if (header.type === 'g') return { kind: 'global', records, crcBefore }
    }
  }

  async exactly(length: number): Promise<Buffer> {
    const pieces: Buffer[] = []
    for await (const piece of this.pieces(length)) pieces.push(piece)
    return pieces.length === 1 ? pieces[0] : Buffer.concat(pieces)
  }

  /** The next `length` bytes, as they come. EBADMSG: there are not so many. */
  async *pieces(length: number): AsyncGenerator<Buffer> {
    for (let left = length; left > 0;) {
      if (this.#chunk.length === 0) await this.#refill()
      const piece = this.#chunk.subarray(0, left)
      this.#chunk = this.#chunk.subarray(piece.length)
      this.#crc = crc32(piece, this.#crc)
      left -= piece.length
      yield piece
    }
  }

  async #refill(): Promise<void> {
    const { value, done } = await this.#source.next()
    if (done === true) throw badArchive('it ends too early, and was cut off')
    this.#onRead?.(value.byteLength)
    this.#chunk = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  }
}

/** Replies to READDIR and READDIRPLUS: `fuse_dirent`, `fuse_direntplus`, one after the other, padded to 8 bytes. */
import type { Entry } from './entry.ts'
import { ENTRY_OUT_BYTES, writeEntry } from './entry.ts'
import { writeU64 } from './integers.ts'

const DIRENT_BYTES = 24
const S_IFMT = 0o170_000

const padded = (bytes: number): number => (bytes + 7) & ~7

export interface DirectoryItem {
  readonly ino: number
  /** Handed back as the offset of the READDIR that goes on behind this one. Never 0. */
  readonly nextOffset: number
  readonly name: string
  /** Type bits as in `stat`; others are ignored. */
  readonly mode: number
}

/**
 * A reply that is filled until an item does not fit; that one comes with the next READDIR. An empty reply is the end of the
 * directory.
 *
 * `addPlus` is a lookup of the item, which the kernel counts, except for "." and "..": they are given with `add` to both
 * kinds of replies.
 */
export class DirectoryReply {
  readonly #bytes: Buffer
  readonly #isPlus: boolean
  #used = 0

  constructor(sizeBytes: number, kind: 'plain' | 'plus') {
    this.#bytes = Buffer.allocUnsafe(sizeBytes)
    this.#isPlus = kind === 'plus'
  }

  /** False: it did not fit. In a reply of kind 'plus' the item comes without attributes, and is no lookup. */
  add(item: DirectoryItem): boolean {
    // Zeros: a node 0 says that there are no attributes to remember.
    return this.#write(item, this.#isPlus ? ENTRY_OUT_BYTES : 0)
  }

  /** False: it did not fit, and is no lookup. */
  addPlus(item: DirectoryItem, entry: Entry): boolean {
    const at = this.#used
    if (!this.#write(item, ENTRY_OUT_BYTES)) return false
    writeEntry(this.#bytes, entry, at)
    return true
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#used)
  }

  #write({ ino, nextOffset, name, mode }: DirectoryItem, headBytes: number): boolean {
    const bytes = this.#bytes
    const nameBytes = Buffer.byteLength(name)
    const unpadded = headBytes + DIRENT_BYTES + nameBytes
    const start = this.#used
    const end = start + padded(unpadded)
    if (end > bytes.length) return false
    bytes.fill(0, start, start + headBytes)
    const at = start + headBytes
    writeU64(bytes, ino, at)
    writeU64(bytes, nextOffset, at + 8)
    bytes.writeUInt32LE(nameBytes, at + 16)
    bytes.writeUInt32LE((mode & S_IFMT) >> 12, at + 20)
    bytes.write(name, at + DIRENT_BYTES)
    bytes.fill(0, start + unpadded, end)
    this.#used = end
    return true
  }
}

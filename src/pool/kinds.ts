/** Kinds of inodes: as bits of their mode, as in stat(2), and as what node:fs asks of a `Stats`. */
import type { InodeKind } from '../metadata/metadata.ts'

/** Where the type bits of a mode are. */
export const S_IFMT = 0o170_000

export const TYPE_BITS: Readonly<Record<InodeKind, number>> = {
  fifo: 0o010_000,
  character: 0o020_000,
  directory: 0o040_000,
  block: 0o060_000,
  file: 0o100_000,
  symlink: 0o120_000,
  socket: 0o140_000,
}

export abstract class Kinds {
  /** Type and permission bits, as in node:fs. */
  abstract readonly mode: number | bigint

  isFile(): boolean {
    return this.#is('file')
  }

  isDirectory(): boolean {
    return this.#is('directory')
  }

  isSymbolicLink(): boolean {
    return this.#is('symlink')
  }

  isFIFO(): boolean {
    return this.#is('fifo')
  }

  isSocket(): boolean {
    return this.#is('socket')
  }

  isCharacterDevice(): boolean {
    return this.#is('character')
  }

  isBlockDevice(): boolean {
    return this.#is('block')
  }

  #is(kind: InodeKind): boolean {
    return (Number(this.mode) & S_IFMT) === TYPE_BITS[kind]
  }
}

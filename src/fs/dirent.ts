/** PoolDirent: an entry of a directory, as `readdir` with `withFileTypes` and `opendir` give it. */
import type { Dirent } from 'node:fs'
import type { DirectoryEntry, InodeKind } from '../metadata/metadata.ts'
import { encoded } from './arguments.ts'

export class PoolDirent implements Dirent {
  readonly name: string
  /** The directory, as it was asked for. */
  readonly parentPath: string
  readonly #kind: InodeKind

  constructor({ name, kind }: Pick<DirectoryEntry, 'name' | 'kind'>, parentPath: string, encoding?: unknown) {
    this.name = encoded(name, { encoding })
    this.parentPath = parentPath
    this.#kind = kind
  }

  isFile(): boolean {
    return this.#kind === 'file'
  }

  isDirectory(): boolean {
    return this.#kind === 'directory'
  }

  isSymbolicLink(): boolean {
    return this.#kind === 'symlink'
  }

  isFIFO(): boolean {
    return this.#kind === 'fifo'
  }

  isSocket(): boolean {
    return this.#kind === 'socket'
  }

  isCharacterDevice(): boolean {
    return this.#kind === 'character'
  }

  isBlockDevice(): boolean {
    return this.#kind === 'block'
  }
}

/** Handles: the numbers by which the kernel names open files and directories. */
import { constants } from 'node:fs'
import { systemError } from '../errors.ts'
import type { OpenInode } from '../files/open-inode.ts'
import type { InodeNumber } from '../units.ts'
import type { OpenDirectory } from './open-directory.ts'

const { O_DSYNC } = constants

/** A file that the kernel has open: one for each open(2), closed by RELEASE. */
export class OpenedFile {
  readonly open: OpenInode
  /** Opened with O_SYNC or O_DSYNC, which fcntl(2) leaves as they are: what is changed through it is durable when it returns. */
  readonly isSynchronous: boolean
  readonly #isLost: boolean
  #path: string | undefined

  /** `isLost`: of lost+found. `flags` of open(2). */
  constructor(open: OpenInode, { isLost, flags }: { readonly isLost: boolean; readonly flags: number }) {
    this.open = open
    this.isSynchronous = (flags & O_DSYNC) !== 0
    this.#isLost = isLost
  }

  /** For errors. */
  get path(): string {
    return (this.#path ??= fileNamed(this.open.ino, this.#isLost))
  }
}

/** How errors call an inode: the kernel names no paths. */
export const inodeNamed = (ino: InodeNumber): string => `inode ${ino}`

/** The same of a file, by which errors of lost+found are told. */
export const fileNamed = (ino: InodeNumber, isLost: boolean): string =>
  isLost ? `/lost+found/${inodeNamed(ino)}` : inodeNamed(ino)

/** Numbers of what is open, from 1; those that are free are used again. */
class Numbered<T> {
  readonly #byNumber: (T | undefined)[] = [undefined]
  readonly #free: number[] = []

  add(value: T): number {
    const number = this.#free.pop() ?? this.#byNumber.length
    this.#byNumber[number] = value
    return number
  }

  /** EBADF. */
  get(number: number): T {
    const value = this.#byNumber[number]
    if (value === undefined)
      throw systemError('EBADF', 'the mount has nothing open by this handle', { syscall: 'open' })
    return value
  }

  /** Ends the number; returns what it was of. EBADF. */
  take(number: number): T {
    const value = this.get(number)
    this.#byNumber[number] = undefined
    this.#free.push(number)
    return value
  }

  /** Ends all. */
  takeAll(): T[] {
    const all = this.#byNumber.filter((value) => value !== undefined)
    this.#byNumber.length = 1
    this.#free.length = 0
    return all
  }
}

export class Handles {
  readonly files = new Numbered<OpenedFile>()
  readonly directories = new Numbered<OpenDirectory>()
}

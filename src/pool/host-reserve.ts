/**
 * Host reserve: a file with space that the metadata may need to free things when the host is full (promise 7: freeing
 * space never fails for lack of space). It is given back to the host at the first "no space" of the metadata, and taken
 * again when a pool is opened while there is room.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync } from 'node:fs'
import { codeOf } from '../errors.ts'
import { allocateSpace } from '../platform/file-space.ts'
import { requireOwnFile } from './own-file.ts'

const RESERVE_BYTES = 4 << 20
const { O_CREAT, O_NOFOLLOW, O_RDWR } = constants

export class HostReserve {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  /** Takes the reserve when it is not there and the host has room. */
  take(): void {
    this.#use((fd) => {
      if (fstatSync(fd).size >= RESERVE_BYTES) return
      try {
        ftruncateSync(fd, RESERVE_BYTES)
        allocateSpace(fd, 0, RESERVE_BYTES)
      } catch (error) {
        ftruncateSync(fd, 0)
        if (codeOf(error) !== 'ENOSPC') throw error
      }
    })
  }

  /** Gives the space back to the host; whether there was any. */
  giveBack(): boolean {
    return this.#use((fd) => {
      const hadSpace = fstatSync(fd).size > 0
      ftruncateSync(fd, 0)
      return hadSpace
    })
  }

  #use<T>(action: (fd: number) => T): T {
    const fd = openSync(this.#path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600)
    try {
      requireOwnFile(fstatSync(fd), this.#path)
      return action(fd)
    } finally {
      closeSync(fd)
    }
  }
}

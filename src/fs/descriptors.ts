/**
 * Descriptors: numbers for open files, as the callbacks of node:fs take them. They begin where the kernel's never are, so
 * that one that gets into node:fs by mistake is EBADF there, and no other file's.
 */
import { integer } from './arguments.ts'
import type { FileHandle } from './file-handle.ts'
import { badDescriptor } from './node-words.ts'

const FIRST = 2 ** 30

export class Descriptors {
  readonly #handles = new Map<number, FileHandle>()
  /** Given back. The last one goes first. */
  readonly #free: number[] = []

  add(handle: FileHandle): number {
    const fd = this.#free.pop() ?? FIRST + this.#handles.size
    this.#handles.set(fd, handle)
    return fd
  }

  remove(fd: number): void {
    if (this.#handles.delete(fd)) this.#free.push(fd)
  }

  /** EBADF; a TypeError or RangeError for what can be no descriptor. */
  get(fd: number, syscall: string): FileHandle {
    const handle = this.#handles.get(integer('fd', fd, 0, 0x7fff_ffff))
    if (handle === undefined) throw badDescriptor(syscall)
    return handle
  }
}

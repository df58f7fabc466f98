/** OpenFile: what every open file has, whatever is done with its bytes: attributes, durability, its end. */
import { systemError } from '../errors.ts'
import type { PolicyChange, Subject, TimeLike } from '../files/attributes.ts'
import { removeXattr, setOwner, setPermissions, setPolicies, setTimes, setXattr, xattrOf } from '../files/attributes.ts'
import { mustRefresh } from '../files/data.ts'
import { syncFile } from '../files/durability.ts'
import type { FileSystem, WaitOptions } from '../files/file-system.ts'
import { limitsOf, mustBeWritable } from '../files/file-system.ts'
import { storeTimes } from '../files/growth.ts'
import { linkInode } from '../files/names.ts'
import type { OpenInode } from '../files/open-inode.ts'
import type { Inode, XattrMode } from '../metadata/metadata.ts'
import type { Frozen } from './frozen.ts'
import { freeze } from './frozen.ts'
import type { OpenMode } from './open-flags.ts'
import type { OwnLeases } from './own-leases.ts'
import type { OwnPins } from './own-pins.ts'
import { Stat } from './stat.ts'
import { STAYS_IN_ITS_THREAD } from './thread-bound.ts'

/** What a file is part of. */
export interface FileOwner {
  readonly fs: FileSystem
  readonly pins: OwnPins
  readonly leases: OwnLeases
  nextBounceKey(): number
  forget(file: OpenFile): void
}

const DONE = Promise.resolve()

export class OpenFile implements AsyncDisposable {
  readonly path: string
  readonly ino: number
  /** A structured clone would be an object without a file behind it. */
  protected readonly threadBound = STAYS_IN_ITS_THREAD
  protected readonly owner: FileOwner
  protected readonly fs: FileSystem
  protected readonly opened: OpenInode
  protected readonly mode: OpenMode
  /** It may be read, in a pool that publishes pins, and is not closed: what a read pin asks, in one word. */
  protected mayPin: boolean
  /** Where the pool keeps it among its open files. */
  place = -1
  #isOpen = true

  /** For `pool.open()`. */
  constructor(owner: FileOwner, opened: OpenInode, mode: OpenMode, path: string) {
    this.owner = owner
    this.fs = owner.fs
    this.opened = opened
    this.mode = mode
    this.path = path
    this.ino = opened.ino
    this.mayPin = mode.mayRead && !owner.fs.isReadOnly
  }

  async stat(): Promise<Stat> {
    return new Stat(await this.#inode('fstat'))
  }

  /** Sets permission bits. */
  async chmod(mode: number): Promise<void> {
    await setPermissions(this.fs, this.#subject('fchmod'), mode)
  }

  /** Sets owner and group; -1 leaves one as it is. */
  async chown(uid: number, gid: number): Promise<void> {
    await setOwner(this.fs, this.#subject('fchown'), uid, gid)
  }

  /** Sets access and modification time: seconds (number or numeric string), a Date, or nanoseconds (bigint). */
  async utimes(atime: TimeLike, mtime: TimeLike): Promise<void> {
    await setTimes(this.fs, this.#subject('futime'), atime, mtime)
  }

  /** Sets the file's own policies; they are stored with the file. */
  async configure(change: PolicyChange): Promise<void> {
    await setPolicies(this.fs, this.#subject('setattr'), change)
    await mustRefresh(this.fs, this.opened, 'setattr', this.path)
  }

  /** Gives the file one more name; one that was opened without a name its first. EEXIST, ENOENT, EPERM (in /lost+found). */
  async link(path: string): Promise<void> {
    this.mustBeOpen('link')
    await linkInode(this.fs, this.opened.ino, this.path, path)
  }

  /** The value of an extended attribute, such as 'user.mime_type'. ENODATA when there is none. */
  async getXattr(name: string): Promise<Buffer> {
    return xattrOf(this.fs, await this.#inode('fgetxattr'), name, this.path)
  }

  /** Names of the extended attributes, in byte order. */
  async listXattrs(): Promise<string[]> {
    return this.fs.metadata.xattrs(this.#subject('flistxattr').ino)
  }

  /**
   * Sets an extended attribute; strings as UTF-8. `mode` 'create': EEXIST when it is there; 'replace': ENODATA when not.
   * A name has at most 255 bytes, a value 64 KiB (E2BIG), all names of a file 64 KiB (ENOSPC).
   */
  async setXattr(name: string, value: NodeJS.ArrayBufferView | string, mode: XattrMode = 'set'): Promise<void> {
    await setXattr(this.fs, await this.#inode('fsetxattr'), name, value, mode, this.path)
  }

  /** ENODATA when there is none. */
  async removeXattr(name: string): Promise<void> {
    await removeXattr(this.fs, await this.#inode('fremovexattr'), name, this.path)
  }

  /**
   * The whole file as at one instant, until release: for backups. Its blocks are pinned, stable, whatever `dax` says; who
   * writes to them gets blocks of its own, who truncates does as with any pin. Waits for write pins: ETIMEDOUT with
   * `holders`. AbortError, EROFS (a pool opened for reading only). Price: 10 µs, and 2 µs a run of blocks.
   */
  freeze(options: WaitOptions = {}): Promise<Frozen> {
    this.mayRead('freeze')
    return freeze(this.owner, this, this.opened, limitsOf(this.fs, options))
  }

  /** For pins: times and change count are stored at the next stat, sync or close. */
  contentChanged(): void {
    this.opened.hasNewContent = true
  }

  /** Makes everything written to the file so far durable: its blocks first, then the metadata. */
  async sync(): Promise<void> {
    this.mustBeOpen('fsync')
    await syncFile(this.fs, this.opened)
  }

  /** Closes the handle. Pins live on. The last close, in any process, of a file without a name lets its content go. A second call does nothing. */
  close(): Promise<void> {
    if (!this.#isOpen) return DONE
    this.#isOpen = false
    this.mayPin = false
    this.owner.forget(this)
    return this.fs.openInodes.close(this.fs, this.opened) ?? DONE
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  protected mustBeOpen(syscall: string): void {
    if (!this.#isOpen) throw systemError('EBADF', 'the file is closed', { syscall, path: this.path })
  }

  protected mayRead(syscall: string): void {
    this.mustBeOpen(syscall)
    if (!this.mode.mayRead)
      throw systemError('EBADF', 'the file was not opened for reading', { syscall, path: this.path })
  }

  protected mayWrite(syscall: string): void {
    this.mustBeOpen(syscall)
    mustBeWritable(this.fs, syscall, this.path)
    if (!this.mode.mayWrite)
      throw systemError('EBADF', 'the file was not opened for writing', { syscall, path: this.path })
  }

  #subject(syscall: string): Subject {
    this.mustBeOpen(syscall)
    return { ino: this.opened.ino, path: this.path }
  }

  /** As it is now, the times of own writes stored. */
  async #inode(syscall: string): Promise<Inode> {
    this.mustBeOpen(syscall)
    await storeTimes(this.fs, this.opened)
    await mustRefresh(this.fs, this.opened, syscall, this.path)
    return this.opened.inode
  }
}

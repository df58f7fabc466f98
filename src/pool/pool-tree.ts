/**
 * PoolTree: the tree of files in a pool, by path: what node:fs/promises has for a file system, with the policies of layout
 * changes. Paths are '/'-separated, from the root of the pool. Symlinks are followed except where said.
 */
import { constants } from 'node:fs'
import { checkChoice, codeOf, named, systemError, wrongType } from '../errors.ts'
import type { Credentials } from '../files/access.ts'
import { MAY_EXECUTE, MAY_READ, MAY_WRITE, mayAccess } from '../files/access.ts'
import type { PolicyChange, TimeLike } from '../files/attributes.ts'
import { removeXattr, setOwner, setPermissions, setPolicies, setTimes, setXattr, xattrOf } from '../files/attributes.ts'
import type { BusyOptions, FileSystem } from '../files/file-system.ts'
import { limitsOf, mustBeWritable } from '../files/file-system.ts'
import { storeTimes } from '../files/growth.ts'
import type { NodeKind } from '../files/names.ts'
import {
  linkInode,
  makeDirectory,
  makeNode,
  makeSymlink,
  NODE_KINDS,
  openAt,
  openKnown,
  openUnnamed,
  portionsOf,
  removeDirectoryPath,
  renamePath,
  unlinkPath,
} from '../files/names.ts'
import { OpenInode } from '../files/open-inode.ts'
import { inodeAt, pathAt, placeOf } from '../files/paths.ts'
import type { DirectoryEntry, Inode, RenameMode, XattrMode } from '../metadata/metadata.ts'
import { checkEncoding, contentOf, wholeOf } from './content.ts'
import type { File, RangeOptions } from './file.ts'
import type { FileOwner, OpenFile } from './open-file.ts'
import type { OpenMode } from './open-flags.ts'
import { parseFlags } from './open-flags.ts'
import type { OwnLeases } from './own-leases.ts'
import type { OwnPins } from './own-pins.ts'
import { Stat } from './stat.ts'
import { newFile } from './traced-file.ts'
import { usedFile } from './used-file.ts'

export interface OpenOptions extends BusyOptions {
  /** Permission bits of a file that is created; default 0o666 less the umask. */
  mode?: number | undefined
}

export interface RenameOptions extends BusyOptions {
  /** EEXIST when the target is there. */
  noReplace?: boolean | undefined
  /** Both change places; both must be there. */
  exchange?: boolean | undefined
}

const { O_CREAT, O_EXCL, O_RDWR } = constants
const PERMISSION_BITS = 0o7777

const UNNAMED: OpenMode = { ...parseFlags('w+'), truncates: false, isExclusive: false }

export abstract class PoolTree {
  /** For this project's own front ends; not part of the stable face. */
  abstract readonly fileSystem: FileSystem
  protected abstract readonly ownPins: OwnPins
  protected abstract readonly ownLeases: OwnLeases
  /** Open files, each at its `place`: a Set would hash every new one, which costs as much as all the rest of `open`. */
  protected readonly files: OpenFile[] = []
  #owner: FileOwner | undefined
  #bounceKey = 0

  abstract get isOpen(): boolean
  protected abstract mustBeOpen(syscall: string): void

  /**
   * Opens a file. `flags` and `mode` as in node:fs. Truncating ('w') is a layout change: see `File.truncate` for
   * `busy`, `timeoutMs`, `signal`. ENOENT, EEXIST, EISDIR, ENOTDIR, ELOOP, EPERM (making or writing files in /lost+found),
   * EROFS.
   */
  open(path: string, flags: string | number = 'r', options?: OpenOptions): Promise<File> {
    try {
      this.mustBeOpen('open')
      const fs = this.fileSystem
      const mode = parseFlags(flags)
      if (mode.mayWrite) mustBeWritable(fs, 'open', path)
      const turn = fs.turnIfDue()
      if (turn !== undefined) return turn.then(() => this.#open(path, mode, options))
      const open = options === undefined && !mode.truncates ? openKnown(fs, path, mode) : undefined
      if (open instanceof OpenInode) return Promise.resolve(this.handle(open, mode, path))
      if (open !== undefined)
        return open.then((looked) =>
          looked === undefined ? this.#open(path, mode, options) : this.handle(looked, mode, path),
        )
      return this.#open(path, mode, options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async #open(path: string, mode: OpenMode, options: OpenOptions = {}): Promise<File> {
    const fs = this.fileSystem
    const { open, isNew } = await openAt(fs, path, { ...mode, mode: options.mode }, limitsOf(fs, options))
    const file = this.handle(open, mode, path)
    if (!mode.truncates || !mode.mayWrite || isNew) return file
    try {
      await file.truncate(0, options)
    } catch (error) {
      await file.close()
      throw error
    }
    return file
  }

  /** Opens a new file without a name, as O_TMPFILE: it is gone with its last close, unless `file.link(path)` gives it a name. */
  async openUnnamed(directory = '/', options: OpenOptions = {}): Promise<File> {
    this.mustBeOpen('open')
    const limits = limitsOf(this.fileSystem, options)
    return this.handle(await openUnnamed(this.fileSystem, directory, options.mode, limits), UNNAMED, directory)
  }

  /** A close of the pool that came meanwhile has closed the files there were: this one must not outlive it. */
  protected handle(open: OpenInode, mode: OpenMode, path: string): File {
    this.mustBeOpen('open')
    this.#owner ??= {
      fs: this.fileSystem,
      pins: this.ownPins,
      leases: this.ownLeases,
      nextBounceKey: () => --this.#bounceKey,
      forget: (file) => this.#forget(file),
    }
    const file = newFile(this.#owner, open, mode, path)
    file.place = this.files.push(file) - 1
    return file
  }

  #forget(file: OpenFile): void {
    const last = this.files.pop()!
    if (last === file) return
    this.files[file.place] = last
    last.place = file.place
  }

  /** Reads a whole file, by copy; with `encoding` as a string. */
  async readFile(path: string): Promise<Buffer>
  async readFile(path: string, encoding: BufferEncoding): Promise<string>
  async readFile(path: string, encoding?: BufferEncoding): Promise<Buffer | string> {
    checkEncoding(encoding)
    const whole = await usedFile(await this.open(path, 'r'), wholeOf)
    return encoding === undefined ? whole : whole.toString(encoding)
  }

  /** Makes or replaces a file's content, by copy. `flags` 'w' (default), 'wx', 'a' …. Not atomic: write beside it and rename for that. */
  async writeFile(
    path: string,
    data: NodeJS.ArrayBufferView | string,
    options: OpenOptions & { flags?: string } = {},
  ): Promise<void> {
    const bytes = contentOf(data)
    await usedFile(await this.open(path, options.flags ?? 'w', options), async (file) => {
      for (let done = 0; done < bytes.byteLength;) done += (await file.write(bytes, { offset: done })).bytesWritten
    })
  }

  /**
   * Copies a file within the pool: content and permission bits, holes stay holes. What is there is replaced, with
   * `exclusive` it is EEXIST.
   */
  async copyFile(from: string, to: string, options: BusyOptions & { exclusive?: boolean } = {}): Promise<void> {
    await usedFile(await this.open(from, 'r'), async (source) => {
      const { mode, size } = await source.stat()
      const flags = O_RDWR | O_CREAT | (options.exclusive === true ? O_EXCL : 0)
      await usedFile(await this.open(to, flags, { ...options, mode: mode & PERMISSION_BITS }), async (target) => {
        // Onto itself: truncating would take what is to be copied.
        if (target.ino === source.ino) return
        await target.truncate(0, options)
        await target.copyFrom(source, { ...options, length: size })
        await target.chmod(mode & PERMISSION_BITS)
      })
    })
  }

  /** Makes a directory; with `recursive` also those above, and none is no error. Mode default 0o777 less the umask. */
  async mkdir(path: string, options: { mode?: number; recursive?: boolean } = {}): Promise<void> {
    this.mustBeOpen('mkdir')
    await makeDirectory(this.fileSystem, path, options)
  }

  /** Names in a directory, in byte order. */
  async readdir(path: string): Promise<string[]> {
    this.mustBeOpen('scandir')
    const names: string[] = []
    for await (const portion of portionsOf(this.fileSystem, path)) for (const { name } of portion) names.push(name)
    return names
  }

  /** Entries of a directory in byte order of their names, read in portions: a name that stays is seen exactly once, whatever changes. */
  async *entries(path: string): AsyncGenerator<DirectoryEntry> {
    this.mustBeOpen('scandir')
    for await (const portion of portionsOf(this.fileSystem, path)) yield* portion
  }

  /** ENOENT, ENOTDIR, ELOOP. Price: 0.4 µs while the names on the way are known and unchanged, else 10 µs a name. */
  stat(path: string): Promise<Stat> {
    const fs = this.fileSystem
    const turn = fs.turnIfDue()
    if (turn !== undefined) return turn.then(() => this.#stat(path, 'stat'))
    const dentry = this.isOpen ? fs.knownPaths.place(path)?.dentry : undefined
    const known = dentry === undefined ? undefined : fs.known.inode(dentry.ino)
    if (known === undefined || fs.openInodes.withNewContent(known.ino) !== undefined) return this.#stat(path, 'stat')
    return Promise.resolve(new Stat(known))
  }

  /** As `stat`, of a symlink itself. */
  lstat(path: string): Promise<Stat> {
    return this.#stat(path, 'lstat')
  }

  async #stat(path: string, syscall: 'stat' | 'lstat'): Promise<Stat> {
    return new Stat(await this.#inode(path, syscall, syscall === 'stat'))
  }

  /** The inode as it is now, the times of this participant's own writes stored. */
  async #inode(path: string, syscall: string, follows = true): Promise<Inode> {
    this.mustBeOpen(syscall)
    const fs = this.fileSystem
    const inode = await inodeAt(fs, path, syscall, follows)
    const open = fs.openInodes.withNewContent(inode.ino)
    if (open === undefined) return inode
    await storeTimes(fs, open)
    return inodeAt(fs, path, syscall, follows)
  }

  /** Whether there is something at the path. */
  exists(path: string): Promise<boolean> {
    const fs = this.fileSystem
    const turn = fs.turnIfDue()
    if (turn !== undefined) return turn.then(() => this.#exists(path))
    const place = this.isOpen ? fs.knownPaths.place(path) : undefined
    return place === undefined ? this.#exists(path) : Promise.resolve(place.dentry !== undefined)
  }

  async #exists(path: string): Promise<boolean> {
    this.mustBeOpen('access')
    return placeOf(this.fileSystem, path, 'access', { follows: true }).then(
      (place) => place.dentry !== undefined,
      (error: unknown) => {
        if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(codeOf(error) ?? '')) return false
        throw error
      },
    )
  }

  /** EACCES unless `who` (default: this process) may do what `mode` says: the sum of R_OK 4, W_OK 2, X_OK 1; 0: be there. */
  async access(path: string, mode = 0, who: Credentials = ownCredentials()): Promise<void> {
    const inode = await this.#inode(path, 'access')
    if (mayAccess(inode, who, mode & (MAY_READ | MAY_WRITE | MAY_EXECUTE))) return
    throw systemError('EACCES', 'permission denied', { syscall: 'access', path })
  }

  /** The path without symlinks, '.' and '..'. ENOENT. */
  async realpath(path: string): Promise<string> {
    this.mustBeOpen('realpath')
    return pathAt(this.fileSystem, path, 'realpath')
  }

  /** Truncates by path: `File.truncate`. */
  async truncate(path: string, length = 0, options: BusyOptions = {}): Promise<void> {
    await usedFile(await this.open(path, 'r+'), (file) => file.truncate(length, options))
  }

  /** Punches by path: `File.punchHole`. */
  async punchHole(path: string, offset: number, length: number, options: BusyOptions = {}): Promise<void> {
    await usedFile(await this.open(path, 'r+'), (file) => file.punchHole(offset, length, options))
  }

  /** Waits by path: `File.flushDma`. */
  async flushDma(path: string, options: RangeOptions = {}): Promise<void> {
    await usedFile(await this.open(path, 'r'), (file) => file.flushDma(options))
  }

  /** Sets a file's policies; those of a directory are inherited by what is made in it. */
  async configure(path: string, change: PolicyChange): Promise<void> {
    await setPolicies(this.fileSystem, { ...(await this.#inode(path, 'setattr')), path }, change)
  }

  /** Sets permission bits. */
  async chmod(path: string, mode: number): Promise<void> {
    await setPermissions(this.fileSystem, { ...(await this.#inode(path, 'chmod')), path }, mode)
  }

  /** Sets owner and group; -1 leaves one as it is. */
  async chown(path: string, uid: number, gid: number): Promise<void> {
    await setOwner(this.fileSystem, { ...(await this.#inode(path, 'chown')), path }, uid, gid)
  }

  /** As `chown`, of a symlink itself. */
  async lchown(path: string, uid: number, gid: number): Promise<void> {
    await setOwner(this.fileSystem, { ...(await this.#inode(path, 'lchown', false)), path }, uid, gid)
  }

  /** Sets access and modification time: seconds (number or numeric string), a Date, or nanoseconds (bigint). */
  async utimes(path: string, atime: TimeLike, mtime: TimeLike): Promise<void> {
    await setTimes(this.fileSystem, { ...(await this.#inode(path, 'utime')), path }, atime, mtime)
  }

  /** As `utimes`, of a symlink itself. */
  async lutimes(path: string, atime: TimeLike, mtime: TimeLike): Promise<void> {
    await setTimes(this.fileSystem, { ...(await this.#inode(path, 'lutime', false)), path }, atime, mtime)
  }

  /** Gives a file one more name; a symlink is not followed. EEXIST, EPERM (a directory, /lost+found), ENOENT. */
  async link(existing: string, path: string): Promise<void> {
    const { ino } = await this.#inode(existing, 'link', false)
    await linkInode(this.fileSystem, ino, existing, path)
  }

  /** Makes a symlink at `path` to `target`, which need not exist. EEXIST, ENAMETOOLONG (more than 4095 bytes). */
  async symlink(target: string, path: string): Promise<void> {
    this.mustBeOpen('symlink')
    if (typeof target !== 'string') throw wrongType('target', 'of type string', target)
    await makeSymlink(this.fileSystem, target, path)
  }

  /** Where a symlink points. EINVAL: it is none. */
  async readlink(path: string): Promise<string> {
    const { target } = await this.#inode(path, 'readlink', false)
    if (target === undefined) throw systemError('EINVAL', 'this is not a symlink', { syscall: 'readlink', path })
    return target
  }

  /** Makes an inode of a kind that only a mounted pool can use (or an empty file). `rdev` of devices as in `Stat.rdev`. EEXIST. */
  async mknod(path: string, kind: NodeKind, options: { mode?: number; rdev?: number } = {}): Promise<void> {
    this.mustBeOpen('mknod')
    await makeNode(this.fileSystem, path, checkChoice('kind', kind, NODE_KINDS), options)
  }

  /**
   * Removes a file's name. Its content goes with the last name and the last close, in any process. Pinned blocks: 'fail'
   * → EBUSY, the name stays; 'wait' → until idle; 'sequester' → the name goes at once, held blocks go to lost+found.
   * In /lost+found: EBUSY while held. ENOENT, EISDIR.
   */
  async unlink(path: string, options: BusyOptions = {}): Promise<void> {
    this.mustBeOpen('unlink')
    await unlinkPath(this.fileSystem, path, options)
  }

  /** Removes an empty directory. ENOENT, ENOTDIR, ENOTEMPTY, EBUSY (the root, /lost+found). */
  async rmdir(path: string): Promise<void> {
    this.mustBeOpen('rmdir')
    await removeDirectoryPath(this.fileSystem, path)
  }

  /**
   * Renames, replacing what is there, whole or not at all. A replaced file with pinned blocks: as in `unlink`.
   * ENOENT, EEXIST (`noReplace`), EINVAL (into its own child), EISDIR, ENOTDIR, ENOTEMPTY, EBUSY.
   */
  async rename(from: string, to: string, options: RenameOptions = {}): Promise<void> {
    this.mustBeOpen('rename')
    const { noReplace = false, exchange = false } = options
    if (noReplace && exchange)
      throw systemError('EINVAL', 'noReplace and exchange exclude each other', {
        syscall: 'rename',
        path: from,
        dest: to,
      })
    const mode: RenameMode = exchange ? 'exchange' : noReplace ? 'noReplace' : 'replace'
    await renamePath(this.fileSystem, from, to, { ...options, mode })
  }

  /** The value of an extended attribute, such as 'user.mime_type'. ENODATA when there is none. */
  async getXattr(path: string, name: string): Promise<Buffer> {
    return xattrOf(this.fileSystem, await this.#inode(path, 'getxattr'), name, path)
  }

  /** Names of the extended attributes, in byte order. */
  async listXattrs(path: string): Promise<string[]> {
    const { ino } = await this.#inode(path, 'listxattr')
    return named('listxattr', path, () => this.fileSystem.metadata.xattrs(ino))
  }

  /** Sets an extended attribute: `File.setXattr`. */
  async setXattr(
    path: string,
    name: string,
    value: NodeJS.ArrayBufferView | string,
    mode: XattrMode = 'set',
  ): Promise<void> {
    await setXattr(this.fileSystem, await this.#inode(path, 'setxattr'), name, value, mode, path)
  }

  /** ENODATA when there is none. */
  async removeXattr(path: string, name: string): Promise<void> {
    await removeXattr(this.fileSystem, await this.#inode(path, 'removexattr'), name, path)
  }
}

const ownCredentials = (): Credentials => ({
  uid: process.geteuid?.() ?? 0,
  gid: process.getegid?.() ?? 0,
  groups: process.getgroups?.() ?? [],
})

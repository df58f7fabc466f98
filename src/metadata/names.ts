/**
 * Names: the dentries table and the operations on it, each the body of one transaction.
 *
 * Invariants
 *   1. The directories are a tree with the root, inode 1, on top: each other directory has exactly one name.
 *   2. A file's nlink is the number of its names; a directory's is 2 and one for each subdirectory.
 *   3. /lost+found (inode 2) stays where it is, and what is in it comes and goes by layout changes only.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { systemError } from '../errors.ts'
import type { SystemErrorDetail } from '../errors.ts'
import type { InodeNumber } from '../units.ts'
import { INODE_COLUMNS, inodeOf, prepareInodes } from './inodes.ts'
import type { InodeRow, InodeTable } from './inodes.ts'
import { LOST_AND_FOUND_INODE, ROOT_INODE } from './metadata.ts'
import type { CreateRequest, DirectoryEntry, Inode, InodeKind, RenameRequest, UnlinkRequest } from './metadata.ts'
import type { SpaceTable } from './space.ts'

/** Bytes of the longest name. */
const MAX_NAME_SIZE = 255

const isInLostAndFound = (parent: InodeNumber): boolean => parent === LOST_AND_FOUND_INODE

export class NameTable {
  readonly #inodes: InodeTable
  readonly #space: SpaceTable
  readonly #lookup: StatementSync
  readonly #insert: StatementSync
  readonly #delete: StatementSync
  readonly #move: StatementSync
  readonly #retarget: StatementSync
  readonly #entries: StatementSync
  readonly #oneEntry: StatementSync
  readonly #nameOf: StatementSync
  readonly #parentOf: StatementSync
  readonly #pathOf: StatementSync

  constructor(db: DatabaseSync, inodes: InodeTable, space: SpaceTable) {
    this.#inodes = inodes
    this.#space = space
    this.#lookup = prepareInodes(
      db,
      `SELECT ${INODE_COLUMNS} FROM dentries d JOIN inodes i ON i.ino = d.ino WHERE d.parent = ? AND d.name = ?`,
    )
    this.#insert = db.prepare(
      'INSERT INTO dentries (parent, name, ino) VALUES (?, ?, ?) ON CONFLICT (parent, name) DO NOTHING',
    )
    this.#delete = db.prepare('DELETE FROM dentries WHERE parent = ? AND name = ?')
    this.#move = db.prepare('UPDATE dentries SET parent = ?, name = ? WHERE parent = ? AND name = ?')
    this.#retarget = db.prepare('UPDATE dentries SET ino = ? WHERE parent = ? AND name = ?')
    this.#entries = db.prepare(
      'SELECT d.name, d.ino, i.kind FROM dentries d JOIN inodes i ON i.ino = d.ino ' +
        'WHERE d.parent = ? AND d.name > ? ORDER BY d.name LIMIT ?',
    )
    this.#entries.setReturnArrays(true)
    this.#oneEntry = db.prepare('SELECT 1 FROM dentries WHERE parent = ? LIMIT 1')
    this.#nameOf = db.prepare('SELECT parent, name FROM dentries WHERE ino = ? LIMIT 1')
    this.#parentOf = db.prepare('SELECT parent FROM dentries WHERE ino = ?')
    // The depth bounds a damaged store, whose directories may be a circle.
    this.#pathOf = db.prepare(
      `WITH RECURSIVE up (ino, path, depth) AS (
         SELECT ?, '', 0
         UNION ALL
         SELECT d.parent, '/' || d.name || up.path, up.depth + 1
         FROM up JOIN dentries d ON d.ino = up.ino WHERE up.depth < 4096
       ) SELECT path FROM up WHERE ino = ${ROOT_INODE} LIMIT 1`,
    )
  }

  lookup(parent: InodeNumber, name: string): Inode | undefined {
    const row = this.#lookup.get(parent, name) as InodeRow | undefined
    return row === undefined ? undefined : inodeOf(row)
  }

  entries(directory: InodeNumber, after: string, limit: number): DirectoryEntry[] {
    const rows = this.#entries.all(directory, after, limit) as unknown as [string, InodeNumber, InodeKind][]
    return rows.map(([name, ino, kind]) => ({ name, ino, kind }))
  }

  pathOf(ino: InodeNumber): string | undefined {
    const path = this.#pathOf.get(ino)?.['path'] as string | undefined
    return path === '' ? '/' : path
  }

  /** A name of the inode and the directory it is in; undefined for an orphan. */
  nameOf(ino: InodeNumber): { parent: InodeNumber; name: string } | undefined {
    return this.#nameOf.get(ino) as { parent: InodeNumber; name: string } | undefined
  }

  /** Adds a name; false when it is taken. */
  insert(parent: InodeNumber, name: string, ino: InodeNumber): boolean {
    return this.#insert.run(parent, name, ino).changes === 1
  }

  delete(parent: InodeNumber, name: string): void {
    this.#delete.run(parent, name)
  }

  create({ parent, name, kind, mode, uid, gid, nowNs }: CreateRequest): Inode {
    const syscall = kind === 'directory' ? 'mkdir' : 'open'
    checkName(name, syscall)
    this.#directory(parent, name, syscall)
    if (isInLostAndFound(parent)) throw forbidden(syscall, name)
    const isDirectory = kind === 'directory'
    const inode = this.#inodes.insert({
      kind,
      mode,
      uid,
      gid,
      nlink: isDirectory ? 2 : 1,
      size: 0,
      blocks: 0,
      atimeNs: nowNs,
      mtimeNs: nowNs,
      ctimeNs: nowNs,
      birthtimeNs: nowNs,
      changeCount: 0,
      busy: undefined,
      dax: undefined,
    })
    if (!this.insert(parent, name, inode.ino)) {
      throw systemError('EEXIST', 'the name is taken', { syscall, path: name })
    }
    this.#inodes.touchDirectory(parent, isDirectory ? 1 : 0, nowNs)
    if (!isDirectory) this.#space.count({ files: 1 })
    return inode
  }

  unlink({ parent, name, nowNs }: UnlinkRequest): Inode {
    const inode = this.#found(parent, name, 'unlink')
    if (isInLostAndFound(parent)) throw forbidden('unlink', name)
    if (inode.kind === 'directory') throw systemError('EISDIR', 'it is a directory', { syscall: 'unlink', path: name })
    this.delete(parent, name)
    this.#inodes.touchDirectory(parent, 0, nowNs)
    return this.#inodes.loseName(inode, name, nowNs)
  }

  removeDirectory({ parent, name, nowNs }: UnlinkRequest): Inode {
    const inode = this.#found(parent, name, 'rmdir')
    if (inode.kind !== 'directory') throw systemError('ENOTDIR', 'it is no directory', { syscall: 'rmdir', path: name })
    if (inode.ino === LOST_AND_FOUND_INODE) throw immovable('rmdir', name)
    this.#mustBeEmpty(inode.ino, { syscall: 'rmdir', path: name })
    this.delete(parent, name)
    this.#inodes.delete(inode.ino)
    this.#inodes.touchDirectory(parent, -1, nowNs)
    return { ...inode, nlink: 0, ctimeNs: nowNs }
  }

  rename({ fromParent, fromName, toParent, toName, nowNs }: RenameRequest): { replaced: Inode | undefined } {
    const detail = { syscall: 'rename', path: fromName, dest: toName }
    checkName(toName, 'rename')
    const moved = this.#found(fromParent, fromName, 'rename')
    this.#directory(toParent, toName, 'rename')
    const old = this.lookup(toParent, toName)
    if (isInLostAndFound(fromParent) || isInLostAndFound(toParent)) throw forbidden('rename', fromName)
    if (moved.ino === LOST_AND_FOUND_INODE || old?.ino === LOST_AND_FOUND_INODE) throw immovable('rename', fromName)
    if (old?.ino === moved.ino) return { replaced: undefined }
    const isDirectory = moved.kind === 'directory'
    if (isDirectory && this.#isWithin(toParent, moved.ino)) {
      throw systemError('EINVAL', 'a directory cannot be moved into itself', detail)
    }
    let replaced: Inode | undefined
    if (old === undefined) {
      this.#move.run(toParent, toName, fromParent, fromName)
    } else {
      if (isDirectory && old.kind !== 'directory') throw systemError('ENOTDIR', 'the target is no directory', detail)
      if (!isDirectory && old.kind === 'directory') throw systemError('EISDIR', 'the target is a directory', detail)
      if (isDirectory) this.#mustBeEmpty(old.ino, detail)
      this.delete(fromParent, fromName)
      this.#retarget.run(moved.ino, toParent, toName)
      if (isDirectory) {
        this.#inodes.delete(old.ino)
        replaced = { ...old, nlink: 0, ctimeNs: nowNs }
      } else {
        replaced = this.#inodes.loseName(old, toName, nowNs)
      }
    }
    this.#inodes.setAttributes({ ...moved, ctimeNs: nowNs, changeCount: moved.changeCount + 1 })
    const lost = isDirectory ? -1 : 0
    const gained = isDirectory && old === undefined ? 1 : 0
    if (fromParent === toParent) {
      this.#inodes.touchDirectory(fromParent, lost + gained, nowNs)
    } else {
      this.#inodes.touchDirectory(fromParent, lost, nowNs)
      this.#inodes.touchDirectory(toParent, gained, nowNs)
    }
    return { replaced }
  }

  /** Is `directory` the same as `ancestor` or below it? */
  #isWithin(directory: InodeNumber, ancestor: InodeNumber): boolean {
    let at: InodeNumber | undefined = directory
    while (at !== undefined && at !== ROOT_INODE) {
      if (at === ancestor) return true
      at = this.#parentOf.get(at)?.['parent'] as InodeNumber | undefined
    }
    return at === ancestor
  }

  #found(parent: InodeNumber, name: string, syscall: string): Inode {
    const inode = this.lookup(parent, name)
    if (inode !== undefined) return inode
    this.#directory(parent, name, syscall)
    throw systemError('ENOENT', 'no such file or directory', { syscall, path: name })
  }

  #directory(ino: InodeNumber, name: string, syscall: string): void {
    const inode = this.#inodes.get(ino)
    if (inode === undefined) throw systemError('ENOENT', 'the directory is gone', { syscall, path: name })
    if (inode.kind !== 'directory') throw systemError('ENOTDIR', 'its parent is no directory', { syscall, path: name })
  }

  #mustBeEmpty(directory: InodeNumber, detail: SystemErrorDetail): void {
    if (this.#oneEntry.get(directory) === undefined) return
    throw systemError('ENOTEMPTY', 'the directory is not empty', detail)
  }
}

function checkName(name: string, syscall: string): void {
  const bytes = Buffer.byteLength(name)
  if (bytes > MAX_NAME_SIZE) {
    throw systemError('ENAMETOOLONG', `the name has ${bytes} bytes, more than ${MAX_NAME_SIZE}`, {
      syscall,
      path: name,
    })
  }
  if (
    bytes === 0 ||
    name === '.' ||
    name === '..' ||
    name.includes('/') ||
    name.includes('\0') ||
    !name.isWellFormed()
  ) {
    throw systemError('EINVAL', 'no file can have this name', { syscall, path: name })
  }
}

const forbidden = (syscall: string, path: string): Error =>
  systemError('EPERM', 'names in /lost+found cannot be changed; reclaim its files instead', { syscall, path })

const immovable = (syscall: string, path: string): Error =>
  systemError('EBUSY', '/lost+found cannot be moved or removed', { syscall, path })

/**
 * The dentries table: which names a directory has and what they name. Called inside of a transaction. Whatever changes a
 * directory's names marks it.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { systemError } from '../errors.ts'
import type { SystemErrorDetail } from '../errors.ts'
import { counted, damaged, oneOf, shownValue } from './damage.ts'
import { KINDS } from './schema.ts'
import type { InodeNumber } from '../units.ts'
import { INODE_COLUMNS, inodeOf, prepareInodes } from './inodes.ts'
import type { InodeRow, InodeTable } from './inodes.ts'
import { ROOT_INODE } from './metadata.ts'
import type { DirectoryEntry, Inode, InodeKind } from './metadata.ts'
import type { TransactionMarks } from './transaction-marks.ts'

/** Bytes of the longest name. */
const MAX_NAME_SIZE = 255

/** Directories one in the other: far more than anybody makes, so that more of them are a circle. */
const MAX_DEPTH = 100_000

export class NameTable {
  readonly #inodes: InodeTable
  readonly #marks: TransactionMarks
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

  constructor(db: DatabaseSync, inodes: InodeTable, marks: TransactionMarks) {
    this.#inodes = inodes
    this.#marks = marks
    this.#lookup = prepareInodes(
      db,
      `SELECT ${INODE_COLUMNS} FROM dentries d JOIN inodes i ON i.ino = d.ino WHERE d.parent = ? AND d.name = ?`,
    )
    this.#insert = db.prepare(
      'INSERT INTO dentries (parent, name, ino, kind) VALUES (?, ?, ?, ?) ON CONFLICT (parent, name) DO NOTHING',
    )
    this.#delete = db.prepare('DELETE FROM dentries WHERE parent = ? AND name = ?')
    this.#move = db.prepare('UPDATE dentries SET parent = ?, name = ? WHERE parent = ? AND name = ?')
    this.#retarget = db.prepare('UPDATE dentries SET ino = ?, kind = ? WHERE parent = ? AND name = ?')
    this.#entries = db.prepare(
      'SELECT name, ino, kind FROM dentries WHERE parent = ? AND name > ? ORDER BY name LIMIT ?',
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
    const rows = this.#entries.all(directory, after, limit) as unknown as EntryRow[]
    const entries = rows.map((row) => entryOf(row, directory))
    const last = entries.at(-1)
    // Whoever goes on behind it would never come to an end.
    if (last !== undefined && Buffer.compare(Buffer.from(last.name), Buffer.from(after)) <= 0)
      throw damaged(`the names of directory ${directory} are out of order`)
    return entries
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
  insert(parent: InodeNumber, name: string, ino: InodeNumber, kind: InodeKind): boolean {
    this.#marks.begin(parent)
    return this.write(parent, name, ino, kind)
  }

  /** The same in a directory that was marked when the name was given (young-files.ts). */
  write(parent: InodeNumber, name: string, ino: InodeNumber, kind: InodeKind): boolean {
    return this.#insert.run(parent, name, ino, kind).changes === 1
  }

  delete(parent: InodeNumber, name: string): void {
    this.#marks.begin(parent)
    this.#delete.run(parent, name)
  }

  /** Gives an entry another name, which is not taken. */
  move(fromParent: InodeNumber, fromName: string, toParent: InodeNumber, toName: string): void {
    this.#marks.begin(fromParent)
    this.#marks.begin(toParent)
    this.#move.run(toParent, toName, fromParent, fromName)
  }

  /** Makes a name that is there one of another inode. */
  retarget(parent: InodeNumber, name: string, { ino, kind }: Inode): void {
    this.#marks.begin(parent)
    this.#retarget.run(ino, kind, parent, name)
  }

  /** As `lookup`; ENOENT, also when the directory is gone, ENOTDIR. */
  found(parent: InodeNumber, name: string, syscall: string): Inode {
    const inode = this.lookup(parent, name)
    if (inode !== undefined) return inode
    this.directory(parent, name, syscall)
    throw systemError('ENOENT', 'no such file or directory', { syscall, path: name })
  }

  /** The directory in which somebody wants to use `name`. ENOENT, ENOTDIR. */
  directory(ino: InodeNumber, name: string, syscall: string): Inode {
    const inode = this.#inodes.directory(ino)
    if (inode === undefined) throw systemError('ENOENT', 'the directory is gone', { syscall, path: name })
    if (inode.kind !== 'directory') throw systemError('ENOTDIR', 'its parent is no directory', { syscall, path: name })
    return inode
  }

  /** ENOTEMPTY. */
  mustBeEmpty(directory: InodeNumber, detail: SystemErrorDetail): void {
    if (this.#oneEntry.get(directory) === undefined) return
    throw systemError('ENOTEMPTY', 'the directory is not empty', detail)
  }

  /** Is `directory` the same as `ancestor` or below it? */
  isWithin(directory: InodeNumber, ancestor: InodeNumber): boolean {
    let at: InodeNumber | undefined = directory
    for (let depth = 0; at !== undefined && at !== ROOT_INODE; depth++) {
      if (at === ancestor) return true
      if (depth > MAX_DEPTH) throw damaged(`directory ${directory} is in a circle of directories`)
      at = this.#parentOf.get(at)?.['parent'] as InodeNumber | undefined
    }
    return at === ancestor
  }
}

export type EntryRow = readonly [name: unknown, ino: unknown, kind: unknown]

/** EUCLEAN. */
export function entryOf([name, ino, kind]: EntryRow, directory: InodeNumber): DirectoryEntry {
  if (typeof name !== 'string' || /[\0/]|^\.{0,2}$/.test(name))
    throw damaged(`a name in directory ${directory} is ${shownValue(name)}`)
  return {
    name,
    ino: counted(ino, `a name of directory ${directory}`) as InodeNumber,
    kind: oneOf(kind, `the kind of a name in directory ${directory}`, KINDS),
  }
}

/** ENAMETOOLONG, EINVAL. */
export function checkName(name: string, syscall: string): void {
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

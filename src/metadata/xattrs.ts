/**
 * Extended attributes: the xattrs table and the operations on it, each the body of one transaction. Limits and errors are
 * those of xattr(7); what the namespaces allow to whom is not known here.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { SystemErrorDetail } from '../errors.ts'
import { systemError } from '../errors.ts'
import type { InodeNumber } from '../units.ts'
import { damaged, shownValue } from './damage.ts'
import type { InodeTable } from './inodes.ts'
import { XATTR_LIST_MAX, XATTR_NAME_MAX, XATTR_SIZE_MAX } from './metadata.ts'
import type { Follows, XattrMode } from './metadata.ts'

export class XattrTable {
  readonly #inodes: InodeTable
  readonly #names: StatementSync
  readonly #get: StatementSync
  readonly #has: StatementSync
  readonly #listSize: StatementSync
  readonly #set: StatementSync
  readonly #delete: StatementSync

  constructor(db: DatabaseSync, inodes: InodeTable) {
    this.#inodes = inodes
    const prepare = (sql: string) => {
      const statement = db.prepare(sql)
      statement.setReturnArrays(true)
      return statement
    }
    this.#names = prepare('SELECT name FROM xattrs WHERE ino = ? ORDER BY name')
    this.#get = prepare('SELECT value FROM xattrs WHERE ino = ? AND name = ?')
    this.#has = prepare('SELECT 1 FROM xattrs WHERE ino = ? AND name = ?')
    // A list has a NUL behind each name.
    this.#listSize = prepare('SELECT coalesce(sum(octet_length(name) + 1), 0) FROM xattrs WHERE ino = ?')
    this.#set = prepare(
      'INSERT INTO xattrs (ino, name, value) VALUES (?, ?, ?) ON CONFLICT (ino, name) DO UPDATE SET value = excluded.value',
    )
    this.#delete = prepare('DELETE FROM xattrs WHERE ino = ? AND name = ?')
  }

  names(ino: InodeNumber): string[] {
    const rows = this.#names.all(ino) as unknown as [string][]
    if (rows.length === 0 && this.#inodes.get(ino) === undefined) throw gone('listxattr', ino)
    return rows.map(([name]) => attributeName(name, ino))
  }

  get(ino: InodeNumber, name: string): Uint8Array | undefined {
    const row = this.#get.get(ino, name) as unknown as [unknown] | undefined
    return row === undefined ? undefined : attributeValue(row[0], ino)
  }

  set(ino: InodeNumber, name: string, value: Uint8Array, mode: XattrMode, nowNs: bigint): void {
    const detail = { syscall: 'setxattr', path: name }
    checkXattr(name, value, detail)
    if (!this.#inodes.touch(ino, nowNs)) throw gone('setxattr', ino)
    const isThere = this.#has.get(ino, name) !== undefined
    if (mode === 'create' && isThere) throw systemError('EEXIST', 'the attribute is there', detail)
    if (mode === 'replace' && !isThere) throw systemError('ENODATA', 'there is no such attribute', detail)
    this.#put(ino, name, value, isThere)
  }

  /** Sets and removes what follows from another change of the inode, which has marked and counted it. */
  follow(ino: InodeNumber, follows: Follows | undefined): void {
    for (const [name, value] of follows?.xattrs ?? []) {
      if (value === undefined) {
        this.removeIfThere(ino, name)
      } else {
        checkXattr(name, value, { syscall: 'setxattr', path: name })
        this.#put(ino, name, value, this.#has.get(ino, name) !== undefined)
      }
    }
  }

  #put(ino: InodeNumber, name: string, value: Uint8Array, isThere: boolean): void {
    if (!isThere) {
      const [listSize] = this.#listSize.get(ino) as unknown as [number]
      if (listSize + Buffer.byteLength(name) + 1 > XATTR_LIST_MAX) {
        const explanation = `the names of all attributes together may have ${XATTR_LIST_MAX} bytes, a NUL behind each`
        throw systemError('ENOSPC', explanation, { syscall: 'setxattr', path: name })
      }
    }
    this.#set.run(ino, name, value)
  }

  remove(ino: InodeNumber, name: string, nowNs: bigint): void {
    if (!this.#inodes.touch(ino, nowNs)) throw gone('removexattr', ino)
    if (this.#delete.run(ino, name).changes === 1) return
    throw systemError('ENODATA', 'there is no such attribute', { syscall: 'removexattr', path: name })
  }

  /** The caller has marked, and counts, a change of the inode. */
  removeIfThere(ino: InodeNumber, name: string): void {
    this.#delete.run(ino, name)
  }
}

/** EUCLEAN. */
export function attributeName(name: unknown, ino: InodeNumber): string {
  if (typeof name === 'string' && name !== '' && !name.includes('\0')) return name
  throw damaged(`an attribute of inode ${ino} has the name ${shownValue(name)}`)
}

/** EUCLEAN. */
export function attributeValue(value: unknown, ino: InodeNumber): Uint8Array {
  if (value instanceof Uint8Array) return value
  throw damaged(`an attribute of inode ${ino} is no blob`)
}

function checkXattr(name: string, value: Uint8Array, detail: SystemErrorDetail): void {
  const nameSize = Buffer.byteLength(name)
  if (nameSize === 0 || nameSize > XATTR_NAME_MAX) {
    throw systemError('ERANGE', `the name has ${nameSize} bytes; 1 to ${XATTR_NAME_MAX} can be stored`, detail)
  }
  if (name.includes('\0') || !name.isWellFormed()) {
    throw systemError('EINVAL', 'no attribute can have this name', detail)
  }
  if (value.byteLength > XATTR_SIZE_MAX) {
    const explanation = `the value has ${value.byteLength} bytes; at most ${XATTR_SIZE_MAX} can be stored`
    throw systemError('E2BIG', explanation, detail)
  }
}

const gone = (syscall: string, ino: InodeNumber): Error =>
  systemError('ENOENT', `there is no inode ${ino}`, { syscall })

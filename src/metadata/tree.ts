/** The skeleton of the tree, for whoever walks all of it. Called inside of a transaction that reads. */
import type { DatabaseSync } from 'node:sqlite'
import type { InodeNumber } from '../units.ts'
import { INODE_COLUMNS, inodeOf, prepareInodes } from './inodes.ts'
import type { InodeRow } from './inodes.ts'
import type { DirectoryEntry, Inode } from './metadata.ts'
import { entryOf } from './names.ts'
import type { EntryRow } from './names.ts'
import { attributeName, attributeValue } from './xattrs.ts'

/** A directory with all that is in it but the inodes of what it names. */
export interface TreeDirectory {
  readonly inode: Inode
  readonly xattrs: Map<string, Uint8Array>
  /** In byte order of their names. */
  readonly entries: DirectoryEntry[]
}

export type Tree = Map<InodeNumber, TreeDirectory>

/** Not prepared ahead: a store is asked once in its life, if at all. */
export function readTree(db: DatabaseSync): Tree {
  const directories = prepareInodes(db, `SELECT ${INODE_COLUMNS} FROM inodes i WHERE kind = 'directory'`)
  const tree: Tree = new Map()
  for (const row of directories.iterate() as Iterable<unknown> as Iterable<InodeRow>) {
    const inode = inodeOf(row)
    tree.set(inode.ino, { inode, xattrs: new Map(), entries: [] })
  }
  const xattrs = db.prepare("SELECT ino, name, value FROM xattrs JOIN inodes USING (ino) WHERE kind = 'directory'")
  xattrs.setReturnArrays(true)
  for (const row of xattrs.iterate() as Iterable<unknown>) {
    const [ino, name, value] = row as [InodeNumber, unknown, unknown]
    tree.get(ino)?.xattrs.set(attributeName(name, ino), attributeValue(value, ino))
  }
  const names = db.prepare('SELECT name, ino, kind, parent FROM dentries ORDER BY parent, name')
  names.setReturnArrays(true)
  for (const row of names.iterate() as Iterable<unknown>) {
    const [name, ino, kind, parent] = row as [...EntryRow, InodeNumber]
    tree.get(parent)?.entries.push(entryOf([name, ino, kind], parent))
  }
  return tree
}

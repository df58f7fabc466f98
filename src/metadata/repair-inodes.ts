/**
 * Inodes that must be there: the root and /lost+found, and those that others tell of. An inode whose row is lost but that
 * has names below it was a directory, one that has blocks a file: made anew, it keeps its number, so that its names lead to
 * it as before. Only repair.ts calls.
 */
import { LOST_AND_FOUND_INODE, ROOT_INODE } from './metadata.ts'
import type { Repair } from './repair.ts'
import { LOST_AND_FOUND_NAME } from './schema.ts'

/** Nobody knows whose it was: root's, and nobody else's. */
const INSERT =
  'INSERT INTO inodes (ino, kind, mode, uid, gid, nlink, size, blocks, atime_ns, mtime_ns, ctime_ns, birthtime_ns, ' +
  'change_count, rdev) VALUES (?1, ?2, ?3, 0, 0, ?4, ?5, 0, ?6, ?6, ?6, ?6, 0, 0)'

function insertDirectory({ db, nowNs }: Repair, ino: number, mode: number): void {
  db.prepare(INSERT).run(ino, 'directory', mode, 2, 0, nowNs)
}

function insertFile({ db, nowNs }: Repair, ino: number, size: number): void {
  db.prepare(INSERT).run(ino, 'file', 0o600, 1, size, nowNs)
}

export function repairInodes(work: Repair): void {
  beDirectory(work, ROOT_INODE, 0o755)
  beDirectory(work, LOST_AND_FOUND_INODE, 0o700)
  placeLostAndFound(work)
  makeKindsFit(work)
  makeAnew(work)
}

/** Makes the inode a directory; what is in its place and has content gets another number. */
function beDirectory(work: Repair, ino: number, mode: number): void {
  const { db } = work
  const row = db.prepare('SELECT kind, size FROM inodes WHERE ino = ?').get(ino)
  if (row?.['kind'] === 'directory') return
  if (row === undefined) {
    work.note(`inode ${ino}, which was missing, is a directory again`)
    insertDirectory(work, ino, mode)
    return
  }
  if (hasContent(work, ino) || row['kind'] === 'symlink') {
    const next = work.nextInode()
    work.note(`inode ${ino} becomes a directory again; the ${String(row['kind'])} in its place is inode ${next}`)
    db.prepare('UPDATE inodes SET ino = ? WHERE ino = ?').run(next, ino)
    for (const [table, column] of [
      ['dentries', 'ino'],
      ['xattrs', 'ino'],
      ['extents', 'inode'],
      ['lost_and_found', 'ino'],
    ])
      db.prepare(`UPDATE ${table} SET ${column} = ? WHERE ${column} = ?`).run(next, ino)
    insertDirectory(work, ino, mode)
  } else {
    work.note(`inode ${ino} becomes a directory again`)
    becomeDirectory(work, ino)
  }
}

const hasContent = ({ db }: Repair, ino: number): boolean =>
  db
    .prepare('SELECT 1 FROM inodes WHERE ino = ?1 AND (size > 0 OR EXISTS (SELECT 1 FROM extents WHERE inode = ?1))')
    .get(ino) !== undefined

const becomeDirectory = ({ db }: Repair, ino: number): void => {
  db.prepare(
    "UPDATE inodes SET kind = 'directory', nlink = 2, rdev = 0, target = NULL, last_name = NULL, size = 0, blocks = 0 WHERE ino = ?",
  ).run(ino)
}

/** The root has no name, and /lost+found that one. */
function placeLostAndFound(work: Repair): void {
  const { db } = work
  work.each(
    `SELECT 'the root loses the name ' || name AS message FROM dentries WHERE ino = ${ROOT_INODE}`,
    `DELETE FROM dentries WHERE ino = ${ROOT_INODE}`,
  )
  const right = `parent = ${ROOT_INODE} AND name = '${LOST_AND_FOUND_NAME}'`
  const there = db.prepare(`SELECT ino FROM dentries WHERE ${right}`).get()?.['ino']
  const others = `ino = ${LOST_AND_FOUND_INODE} AND NOT (${right})`
  work.each(
    `SELECT '/lost+found loses the name ' || name AS message FROM dentries WHERE ${others}`,
    `DELETE FROM dentries WHERE ${others}`,
  )
  if (there === LOST_AND_FOUND_INODE) return
  if (there !== undefined) {
    const name = freeName(work, ROOT_INODE, `${LOST_AND_FOUND_NAME}~`)
    work.note(`/${LOST_AND_FOUND_NAME}, which was inode ${String(there)}, is called ${name}`)
    db.prepare(`UPDATE dentries SET name = ? WHERE ${right}`).run(name)
  }
  work.note(`/${LOST_AND_FOUND_NAME} has its name again`)
  db.prepare("INSERT INTO dentries VALUES (?, ?, ?, 'directory')").run(
    ROOT_INODE,
    LOST_AND_FOUND_NAME,
    LOST_AND_FOUND_INODE,
  )
}

/** `stem`, or with ~2, ~3 … behind it, which no name of the directory is. */
export function freeName({ db }: Repair, parent: number, stem: string): string {
  const taken = db.prepare('SELECT 1 FROM dentries WHERE parent = ? AND name = ?')
  for (let nth = 1; ; nth++) {
    const name = nth === 1 ? stem : `${stem}~${nth}`
    if (taken.get(parent, name) === undefined) return name
  }
}

/** What has names below it and no content is a directory; what has blocks and is nothing else is a file. */
function makeKindsFit(work: Repair): void {
  const { db } = work
  const parents = db
    .prepare(
      "SELECT ino, kind FROM inodes i WHERE kind NOT IN ('directory', 'symlink') AND size = 0 " +
        'AND EXISTS (SELECT 1 FROM dentries WHERE parent = i.ino) AND NOT EXISTS (SELECT 1 FROM extents WHERE inode = i.ino)',
    )
    .all()
  for (const { ino, kind } of parents) {
    work.note(`inode ${String(ino)}, which has entries and was a ${String(kind)}, becomes a directory`)
    becomeDirectory(work, Number(ino))
  }
  const contents = db
    .prepare(
      "SELECT ino, kind FROM inodes i WHERE kind <> 'file' AND EXISTS (SELECT 1 FROM extents WHERE inode = i.ino)",
    )
    .all()
  for (const { ino, kind } of contents) {
    if (kind === 'directory' || kind === 'symlink') {
      const next = work.nextInode()
      insertFile(work, next, sizeOfExtents(work, Number(ino)))
      work.note(`the blocks of ${kind} ${String(ino)} are file ${next}`)
      db.prepare('UPDATE extents SET inode = ? WHERE inode = ?').run(next, ino ?? null)
    } else {
      work.note(`inode ${String(ino)}, which has blocks and was a ${String(kind)}, becomes a file`)
      db.prepare("UPDATE inodes SET kind = 'file', rdev = 0, size = ? WHERE ino = ?").run(
        sizeOfExtents(work, Number(ino)),
        ino ?? null,
      )
    }
  }
}

const sizeOfExtents = ({ db }: Repair, ino: number): number =>
  Math.min(
    Number.MAX_SAFE_INTEGER,
    Number(
      db.prepare('SELECT max(file_block + count) * 4096 AS size FROM extents WHERE inode = ?').get(ino)?.['size'] ?? 0,
    ),
  )

function makeAnew(work: Repair): void {
  const { db } = work
  const parents = db.prepare(
    `SELECT DISTINCT parent AS ino FROM dentries WHERE parent BETWEEN 1 AND ${Number.MAX_SAFE_INTEGER} AND parent NOT IN (SELECT ino FROM inodes)`,
  )
  for (const { ino } of parents.all()) {
    work.note(`directory ${String(ino)}, whose inode was lost, is there again`)
    insertDirectory(work, Number(ino), 0o700)
  }
  const owners = db.prepare(
    `SELECT DISTINCT inode AS ino FROM extents WHERE inode BETWEEN 1 AND ${Number.MAX_SAFE_INTEGER} AND inode NOT IN (SELECT ino FROM inodes)`,
  )
  for (const { ino } of owners.all()) {
    work.note(`file ${String(ino)}, whose inode was lost, is there again; its size is that of its blocks`)
    insertFile(work, Number(ino), sizeOfExtents(work, Number(ino)))
  }
}

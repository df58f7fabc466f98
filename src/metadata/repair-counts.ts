/** What is counted: names, blocks, files, space; and extended attributes, rows of /lost+found. Only repair.ts calls. */
import { impossibleAttributes } from './check.ts'
import { LOST_AND_FOUND_INODE, XATTR_LIST_MAX } from './metadata.ts'
import type { Repair } from './repair.ts'

export function repairAttributes(work: Repair): void {
  const ofNobody = 'ino NOT IN (SELECT ino FROM inodes)'
  work.each(
    `SELECT 'the attribute ' || name || ' of inode ' || ino || ', which is lost, goes' AS message FROM xattrs WHERE ${ofNobody}`,
    `DELETE FROM xattrs WHERE ${ofNobody}`,
  )
  const remove = work.db.prepare('DELETE FROM xattrs WHERE ino = ? AND CAST(name AS BLOB) = ?')
  for (const [ino, name] of [...impossibleAttributes(work.db)]) {
    work.note(`an attribute of inode ${ino} goes: nobody could ask for it by its name`)
    remove.run(ino, name)
  }
  const tooMany = `(ino, name) IN (
    SELECT ino, name FROM (SELECT ino, name, sum(octet_length(name) + 1) OVER (PARTITION BY ino ORDER BY name) AS size FROM xattrs)
    WHERE size > ${XATTR_LIST_MAX})`
  work.each(
    `SELECT 'the attribute ' || name || ' of inode ' || ino || ' goes: there are too many' AS message FROM xattrs WHERE ${tooMany}`,
    `DELETE FROM xattrs WHERE ${tooMany}`,
  )
  const notThere = `(SELECT group_concat(parent) FROM dentries d WHERE d.ino = lost_and_found.ino) IS NOT '${LOST_AND_FOUND_INODE}'
    OR NOT EXISTS (SELECT 1 FROM inodes i WHERE i.ino = lost_and_found.ino AND i.kind = 'file')`
  work.each(
    `SELECT 'inode ' || ino || ' is no sequestered file' AS message FROM lost_and_found WHERE ${notThere}`,
    `DELETE FROM lost_and_found WHERE ${notThere}`,
  )
}

const NAMES = '(SELECT count(*) FROM dentries d WHERE d.ino = inodes.ino)'
const LINKS = `(SELECT 2 + count(*) FROM dentries d WHERE d.parent = inodes.ino AND d.kind = 'directory')`
const BLOCKS = '(SELECT coalesce(sum(count), 0) FROM extents e WHERE e.inode = inodes.ino)'

export function repairCounts(work: Repair): void {
  correct(work, 'nlink', NAMES, "kind <> 'directory'", `last_name = CASE WHEN ${NAMES} = 0 THEN last_name END`)
  correct(work, 'nlink', LINKS, "kind = 'directory'")
  correct(work, 'blocks', BLOCKS, "kind = 'file' OR blocks <> 0")
  const { db } = work
  const counted = `SELECT (SELECT coalesce(sum(count), 0) FROM free) AS free,
    (SELECT coalesce(sum(count), 0) FROM extents) AS mapped,
    (SELECT coalesce(sum(count), 0) FROM busy) AS busy,
    (SELECT coalesce(sum(e.count), 0) FROM lost_and_found l JOIN extents e ON e.inode = l.ino) AS sequestered,
    (SELECT count(*) FROM inodes WHERE kind = 'file') AS files,
    max((SELECT last_inode FROM space), (SELECT max(ino) FROM inodes)) AS last_inode`
  const now = db.prepare(counted).get() as Record<string, number>
  const before = db.prepare('SELECT free, mapped, busy, sequestered, files, last_inode FROM space').get() ?? {}
  const wrong = Object.keys(now).filter((column) => now[column] !== before[column])
  for (const column of wrong) work.note(`space.${column} is ${now[column]} and was ${String(before[column])}`)
  if (wrong.length === 0) return
  const { free, mapped, busy, sequestered, files, last_inode: lastInode } = now
  db.prepare('UPDATE space SET free = ?, mapped = ?, busy = ?, sequestered = ?, files = ?, last_inode = ?').run(
    free,
    mapped,
    busy,
    sequestered,
    files,
    lastInode,
  )
}

function correct(work: Repair, column: string, right: string, where: string, more?: string): void {
  const wrong = `(${where}) AND ${column} IS NOT ${right}`
  work.each(
    `SELECT 'inode ' || ino || ' has ' || ${right} || ' ${column === 'nlink' ? 'links' : 'blocks'} and said ' || ${column} AS message
     FROM inodes WHERE ${wrong}`,
    `UPDATE inodes SET ${column} = ${right}${more === undefined ? '' : `, ${more}`} WHERE ${wrong}`,
  )
}

/** Names: each is text, leads to an inode and is in a directory, and says that inode's kind. Only repair.ts calls. */
import { isUtf8 } from 'node:buffer'
import { LOST_AND_FOUND_INODE } from './metadata.ts'
import type { Repair } from './repair.ts'
import { freeName } from './repair-inodes.ts'

export function repairNames(work: Repair): void {
  renameWhatIsNoText(work)
  const nowhere = 'ino NOT IN (SELECT ino FROM inodes)'
  work.each(
    `SELECT 'the name ' || name || ' in directory ' || parent || ' goes: its inode ' || ino || ' is lost' AS message
     FROM dentries WHERE ${nowhere}`,
    `DELETE FROM dentries WHERE ${nowhere}`,
  )
  const inNoDirectory = "parent NOT IN (SELECT ino FROM inodes WHERE kind = 'directory')"
  work.each(
    `SELECT 'the name ' || name || ' goes: inode ' || parent || ', which it is in, is no directory' AS message
     FROM dentries WHERE ${inNoDirectory}`,
    `DELETE FROM dentries WHERE ${inNoDirectory}`,
  )
  const wrongKind = 'kind IS NOT (SELECT kind FROM inodes i WHERE i.ino = dentries.ino)'
  work.each(
    `SELECT 'the name ' || name || ' in directory ' || parent || ' says the kind of inode ' || ino || ' again' AS message
     FROM dentries WHERE ${wrongKind}`,
    `UPDATE dentries SET kind = (SELECT kind FROM inodes i WHERE i.ino = dentries.ino) WHERE ${wrongKind}`,
  )
}

function renameWhatIsNoText(work: Repair): void {
  const { db } = work
  const names = db
    .prepare(
      "SELECT parent, ino, CAST(name AS BLOB) AS bytes FROM dentries WHERE name GLOB '*[^ -~]*' OR length(name) <> octet_length(name)",
    )
    .all() as { parent: number; ino: number; bytes: Uint8Array }[]
  const rename = db.prepare('UPDATE dentries SET name = ? WHERE parent = ? AND CAST(name AS BLOB) = ?')
  for (const { parent, ino, bytes } of names) {
    if (isUtf8(bytes) && !bytes.includes(0)) continue
    const name = freeName(work, parent, `#${ino}`)
    work.note(`the name of inode ${ino} in directory ${parent} was no text and is ${name}`)
    rename.run(name, parent, bytes)
  }
}

/** Gives an inode without a name one in /lost+found. */
export function reconnect(work: Repair, ino: number, kind: string): void {
  const name = freeName(work, LOST_AND_FOUND_INODE, `#${ino}`)
  work.note(`${kind} ${ino}, which no name led to, is /lost+found/${name}`)
  work.db.prepare('INSERT INTO dentries VALUES (?, ?, ?, ?)').run(LOST_AND_FOUND_INODE, name, ino, kind)
}

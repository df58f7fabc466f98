/**
 * The tree of directories: each but the root has one name, and is reached from the root. What is not reached, a circle
 * too, is reconnected in /lost+found with all below it, and so is every other inode without a name. (A file whose count of
 * names is 0 is an orphan: it goes when the pool is opened.) Only repair.ts calls.
 */
import { ROOT_INODE } from './metadata.ts'
import type { Repair } from './repair.ts'
import { reconnect } from './repair-names.ts'

interface Edge {
  readonly parent: number
  readonly name: string
  readonly ino: number
}

export function repairTree(work: Repair): void {
  repairDirectories(work)
  const nameless = work.db
    .prepare(
      "SELECT ino, kind FROM inodes i WHERE kind <> 'directory' AND (nlink > 0 OR kind <> 'file') " +
        'AND NOT EXISTS (SELECT 1 FROM dentries d WHERE d.ino = i.ino)',
    )
    .all() as { ino: number; kind: string }[]
  for (const { ino, kind } of nameless) reconnect(work, ino, kind)
}

function repairDirectories(work: Repair): void {
  const { db } = work
  const directories = (
    db.prepare("SELECT ino FROM inodes WHERE kind = 'directory' ORDER BY ino").all() as { ino: number }[]
  ).map(({ ino }) => ino)
  const below = new Map<number, Edge[]>()
  const edges = db.prepare("SELECT parent, name, ino FROM dentries WHERE kind = 'directory'").all() as unknown as Edge[]
  for (const edge of edges) {
    const siblings = below.get(edge.parent)
    if (siblings === undefined) below.set(edge.parent, [edge])
    else siblings.push(edge)
  }
  const remove = db.prepare('DELETE FROM dentries WHERE parent = ? AND name = ?')
  const reached = new Set<number>()
  const reach = (top: number): void => {
    reached.add(top)
    // Grows while it is gone through.
    const queue = [top]
    for (const directory of queue) {
      for (const { parent, name, ino } of below.get(directory) ?? []) {
        if (reached.has(ino)) {
          work.note(`the name ${name} in directory ${parent} goes: directory ${ino} has another one`)
          remove.run(parent, name)
        } else {
          reached.add(ino)
          queue.push(ino)
        }
      }
    }
  }
  reach(ROOT_INODE)
  const named = new Set(edges.map(({ ino }) => ino))
  // First those that others may hang below, then what is left: circles.
  for (const ino of directories.filter((directory) => !named.has(directory))) {
    if (reached.has(ino)) continue
    reconnect(work, ino, 'directory')
    reach(ino)
  }
  const namesOf = db.prepare('SELECT parent, name FROM dentries WHERE ino = ?')
  for (const ino of directories) {
    if (reached.has(ino)) continue
    for (const { parent, name } of namesOf.all(ino) as unknown as Edge[]) {
      work.note(`the name ${name} in directory ${parent} goes: it is in a circle of directories`)
      remove.run(parent, name)
      const siblings = below.get(parent)?.filter((edge) => edge.name !== name)
      if (siblings !== undefined) below.set(parent, siblings)
    }
    reconnect(work, ino, 'directory')
    reach(ino)
  }
}

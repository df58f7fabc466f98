/**
 * Space: each block in one place. What files have counts for more than what is called free or busy. A block of which two
 * files say that they have it is copied, so that both keep what they showed; one that nobody tells of becomes busy, so
 * that it is made zero before anybody gets it (promise 6). Only repair.ts calls.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { Extent, InodeNumber, Run } from '../units.ts'
import { byFileBlock, fileEnd, joinedExtents, joinedRuns, makeExtent, makeRun } from './extent-arithmetic.ts'
import { ExtentTable } from './extents.ts'
import type { Repair } from './repair.ts'

export function repairSpace(work: Repair): void {
  const blockCount = blocksOfPool(work)
  cutOutside(work, blockCount)
  cutOverlapsInFiles(work)
  const shared = sharedRuns(work.db)
  const isSame = shared.length === 0 && !hasMisplaced(work.db, blockCount)
  if (!isSame) placeAnew(work, blockCount, shared)
  mergeExtents(work)
}

/** The device is made longer before the metadata tell of it: what files have in it is in the pool. */
function blocksOfPool(work: Repair): number {
  const { db, deviceBlocks } = work
  const row = db.prepare('SELECT block_count, (SELECT max(device_block + count) FROM extents) AS used FROM space').get()
  const [said, used] = [Number(row?.['block_count']), Number(row?.['used'] ?? 0)]
  if (used <= said || used > deviceBlocks) return said
  work.note(`the pool has ${deviceBlocks} blocks, as its device, and said ${said}`)
  db.prepare('UPDATE space SET block_count = ?1, busy = busy + ?1 - block_count').run(deviceBlocks)
  return deviceBlocks
}

function cutOutside(work: Repair, blockCount: number): void {
  work.each(
    `SELECT 'file ' || inode || ' loses blocks from file block ' || file_block || ' on that the device does not have' AS message
     FROM extents WHERE device_block + count > ${blockCount}`,
    `DELETE FROM extents WHERE device_block >= ${blockCount};
     UPDATE extents SET count = ${blockCount} - device_block WHERE device_block + count > ${blockCount}`,
  )
}

/** The extent that begins first has too many blocks. */
function cutOverlapsInFiles(work: Repair): void {
  const { db } = work
  const overlapping = db.prepare(
    `SELECT inode, file_block, next FROM (
       SELECT inode, file_block, count, lead(file_block) OVER (PARTITION BY inode ORDER BY file_block) AS next FROM extents)
     WHERE next < file_block + count`,
  )
  const cut = db.prepare('UPDATE extents SET count = ? WHERE inode = ? AND file_block = ?')
  for (const row of overlapping.all() as { inode: number; file_block: number; next: number }[]) {
    const { inode, file_block: from, next } = row
    work.note(`file ${inode} has one block only at file block ${next}`)
    cut.run(next - from, inode, from)
  }
}

interface Owned {
  readonly inode: number
  readonly extent: Extent
}

/** Of blocks with several owners those of the owners behind the first, ascending. */
function sharedRuns(db: DatabaseSync): Owned[] {
  const rows = db.prepare('SELECT inode, file_block, device_block, count FROM extents ORDER BY device_block')
  rows.setReturnArrays(true)
  const shared: Owned[] = []
  let end = 0
  for (const row of rows.iterate() as Iterable<unknown>) {
    const [inode, fileBlock, deviceBlock, count] = row as [number, number, number, number]
    const overlap = Math.min(end, deviceBlock + count) - deviceBlock
    if (overlap > 0) shared.push({ inode, extent: makeExtent(fileBlock, deviceBlock, overlap) })
    end = Math.max(end, deviceBlock + count)
  }
  return shared
}

/** Whether free and busy are anything but the rest of what is mapped, once each and merged. */
function hasMisplaced(db: DatabaseSync, blockCount: number): boolean {
  let end = 0
  let wasFree = false
  for (const { start, count, isFree } of places(db)) {
    if (start !== end || (isFree && wasFree)) return true
    end = start + count
    wasFree = isFree
  }
  return end !== blockCount
}

function* places(db: DatabaseSync): Generator<{ start: number; count: number; isFree: boolean }> {
  const rows = db.prepare(
    'SELECT start, count, 1 FROM free UNION ALL SELECT device_block, count, 0 FROM extents UNION ALL SELECT start, count, 0 FROM busy ORDER BY 1',
  )
  rows.setReturnArrays(true)
  for (const row of rows.iterate() as Iterable<unknown>) {
    const [start, count, isFree] = row as [number, number, number]
    yield { start, count, isFree: isFree === 1 }
  }
}

function placeAnew(work: Repair, blockCount: number, shared: readonly Owned[]): void {
  const { db } = work
  const all = (sql: string): Run[] =>
    (db.prepare(sql).all() as { start: number; count: number }[]).map(({ start, count }) => makeRun(start, count))
  const mapped = united(all('SELECT device_block AS start, count FROM extents ORDER BY device_block'))
  const wasBusy = united(all('SELECT start, count FROM busy ORDER BY start'))
  const wasFree = united(all('SELECT start, count FROM free ORDER BY start'))
  const whole = [makeRun(0, blockCount)]
  let free = within(without(without(wasFree, mapped), wasBusy), blockCount)
  // From behind: what is left of one may begin where the next one did.
  for (const owned of shared.toReversed()) free = separate(work, owned, free)
  const nowMapped = united(all('SELECT device_block AS start, count FROM extents ORDER BY device_block'))
  const busy = without(without(whole, nowMapped), free)
  work.note(`free and busy blocks are counted anew: ${free.length} free and ${busy.length} busy runs`)
  db.exec('DELETE FROM free; DELETE FROM busy')
  const addFree = db.prepare('INSERT INTO free VALUES (?, ?)')
  for (const { start, count } of free) addFree.run(start, count)
  const addBusy = db.prepare('INSERT INTO busy (start, count) VALUES (?, ?)')
  for (const { start, count } of busy) addBusy.run(start, count)
}

/** Gives an owner blocks of its own in place of those that it shares; without space it gets a hole. Returns what is free then. */
function separate(work: Repair, { inode, extent }: Owned, free: readonly Run[]): Run[] {
  const table = new ExtentTable(work.db)
  const rows = rowsOf(work.db, inode)
  const kept: Extent[] = []
  for (const row of rows) {
    const from = Math.max(row.fileBlock, extent.fileBlock)
    const to = Math.min(fileEnd(row), fileEnd(extent))
    if (from >= to) {
      kept.push(row)
      continue
    }
    const before = from - row.fileBlock
    if (before > 0) kept.push(makeExtent(row.fileBlock, row.deviceBlock, before))
    const after = fileEnd(row) - to
    if (after > 0) kept.push(makeExtent(to, row.deviceBlock + (to - row.fileBlock), after))
  }
  const left = [...free]
  let done = 0
  while (done < extent.count && left.length > 0) {
    const run = left.pop()!
    const count = Math.min(run.count, extent.count - done)
    kept.push(makeExtent(extent.fileBlock + done, run.start, count))
    work.copies.push({ from: extent.deviceBlock + done, to: run.start, count })
    if (count < run.count) left.push(makeRun(run.start + count, run.count - count))
    done += count
  }
  work.note(
    done === extent.count
      ? `file ${inode} gets copies of ${done} blocks that it shared, from file block ${extent.fileBlock} on`
      : `file ${inode} loses ${extent.count - done} blocks that it shared: there is no space for copies`,
  )
  table.replace(inode as InodeNumber, rows, kept.toSorted(byFileBlock))
  return left
}

function mergeExtents(work: Repair): void {
  const split = work.db
    .prepare(
      `SELECT DISTINCT inode FROM (
         SELECT inode, file_block, device_block, count, lead(file_block) OVER file AS next, lead(device_block) OVER file AS next_device
         FROM extents WINDOW file AS (PARTITION BY inode ORDER BY file_block))
       WHERE next = file_block + count AND next_device = device_block + count`,
    )
    .all() as { inode: number }[]
  const table = new ExtentTable(work.db)
  for (const { inode } of split) {
    work.note(`extents of file ${inode} that touch are one`)
    const rows = rowsOf(work.db, inode)
    table.replace(inode as InodeNumber, rows, joinedExtents(rows))
  }
}

function rowsOf(db: DatabaseSync, inode: number): Extent[] {
  const rows = db.prepare('SELECT file_block, device_block, count FROM extents WHERE inode = ? ORDER BY file_block')
  rows.setReturnArrays(true)
  return (rows.all(inode) as unknown as [number, number, number][]).map(([file, device, count]) =>
    makeExtent(file, device, count),
  )
}

/** Ascending runs, overlapping or not, as runs that neither overlap nor touch. */
function united(runs: readonly Run[]): Run[] {
  const result: Run[] = []
  let end = 0
  for (const { start, count } of runs) {
    const from = Math.max(start, end)
    if (start + count > from) result.push(makeRun(from, start + count - from))
    end = Math.max(end, start + count)
  }
  return joinedRuns(result)
}

const within = (runs: readonly Run[], blockCount: number): Run[] =>
  runs
    .filter(({ start }) => start < blockCount)
    .map(({ start, count }) => makeRun(start, Math.min(count, blockCount - start)))

/** What of `runs` is in none of `others`; both ascend, without overlaps. */
function without(runs: readonly Run[], others: readonly Run[]): Run[] {
  const result: Run[] = []
  let next = 0
  for (const { start, count } of runs) {
    let at = start as number
    const end = start + count
    while (next < others.length && others[next].start + others[next].count <= at) next++
    for (let i = next; at < end && i < others.length && others[i].start < end; i++) {
      if (others[i].start > at) result.push(makeRun(at, others[i].start - at))
      at = Math.max(at, others[i].start + others[i].count)
    }
    if (at < end) result.push(makeRun(at, end - at))
  }
  return result
}

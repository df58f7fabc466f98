/** Layout changes under way, in the words of errors, `pool.why()` and the CLI (promise 11). */
import type { Holder } from '../errors.ts'
import type { InodeNumber } from '../units.ts'
import { MAX_FILE_SIZE } from '../units.ts'
import type { Door } from './breaking.ts'
import { Break, breakAt, BreakState, Slot } from './format.ts'
import { participantOf } from './holders.ts'
import { causeOf } from './leases.ts'
import type { BreakView, PinTable } from './pin-table.ts'

/**
 * Who changes, or wants to change, the layout of bytes [start, end) of an inode. `length` is missing when a change goes
 * to the end of the file. Breaks of the dead are taken out; by who only reads they are listed as abandoned.
 */
export function changeHolders(
  { table, witness }: Pick<Door, 'table' | 'witness'>,
  ino: InodeNumber,
  start = 0,
  end = Infinity,
): Holder[] {
  const holders: Holder[] = []
  for (const change of table.breaks(ino, start, end, BreakState.watching)) {
    const isDead = table.reapIfDead(change.slot)
    if (isDead && isTakenOut(table, change)) continue
    const cause = causeOf(change.cause)
    holders.push({
      ...participantOf(table, witness, change.slot),
      kind: 'change',
      inode: ino,
      offset: change.start,
      ...(change.end < MAX_FILE_SIZE ? { length: change.end - change.start } : {}),
      ageMs: Math.max(0, table.clock.nowMs() - change.sinceMs),
      state: isDead ? 'abandoned' : stateOf(change),
      ...(cause === undefined ? {} : { cause }),
    })
  }
  return holders
}

/** The same in all files. */
export function allChangeHolders(door: Pick<Door, 'table' | 'witness'>): Holder[] {
  const inodes = new Set<number>()
  for (const slot of door.table.attached()) {
    const words = door.table.slot(slot)
    for (let index = 0; index < words.load(Slot.breakCount); index++) {
      if (words.load(breakAt(index) + Break.state) !== BreakState.free)
        inodes.add(words.getWide(breakAt(index) + Break.ino))
    }
  }
  return [...inodes].flatMap((ino) => changeHolders(door, ino as InodeNumber))
}

const isTakenOut = (table: PinTable, { slot, index, ino }: BreakView): boolean =>
  ![...table.breaks(ino as InodeNumber, 0, Infinity, BreakState.watching)].some(
    (change) => change.slot === slot && change.index === index,
  )

function stateOf({ state }: BreakView): NonNullable<Holder['state']> {
  if (state === BreakState.watching) return 'watching'
  return state === BreakState.waiting ? 'waiting' : 'committing'
}

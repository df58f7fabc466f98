import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RecordFlag, RecordKind, Slot } from '../../src/layout/format.ts'
import { describeHolders, listHolders, transactionHolders } from '../../src/layout/holders.ts'
import type { InodeNumber } from '../../src/units.ts'
import { claimOf, run, World } from './world.ts'

const witness = { commandLine: (pid: number) => `program ${pid}`, takenAt: () => 'here' }

test('promise 11: every pin and copy is listed with its process, file, range and age; the dead are not', () => {
  const world = new World()
  const { table } = world.join()
  const other = world.join()
  const gone = world.join()
  other.table.own.publish(claimOf({ ino: 7, flags: RecordFlag.write, offset: 100, length: 50 }), [run(3)])
  other.table.own.publish(claimOf({ ino: 8, kind: RecordKind.copy }), [run(5)])
  other.table.own.publish(claimOf({ ino: 8, kind: RecordKind.open }), [])
  gone.table.own.publish(claimOf({ ino: 7 }), [run(9)])
  world.kill(gone)
  world.clock.pass(30)
  const holders = listHolders(table, witness)
  const common = { pid: 1001, threadId: 0, slot: 1, command: 'program 1001', ageMs: 30 }
  assert.deepEqual(holders, [
    { ...common, kind: 'pin', mode: 'write', inode: 7, offset: 100, length: 50 },
    { ...common, kind: 'copy', mode: 'read', inode: 8, offset: 0, length: 4096 },
  ])
  assert.deepEqual(listHolders(table, witness, 8 as InodeNumber).length, 1)
  assert.equal(describeHolders(holders), 'pin of pid 1001 (program 1001) bytes 100-150 for 30 ms and 1 more')
})

test('only the own process knows where its pins were taken', () => {
  const { table } = new World().join()
  table.own.publish(claimOf({ ino: 7 }), [run(3)])
  assert.equal(listHolders(table, witness)[0].takenAt, 'here')
})

test('whoever is in a transaction is named, but not oneself', () => {
  const world = new World()
  const { table } = world.join()
  const other = world.join()
  other.table.own.words.setWide(Slot.transactionSince, world.clock.nowMs())
  table.own.words.setWide(Slot.transactionSince, world.clock.nowMs())
  world.clock.pass(5)
  assert.deepEqual(
    transactionHolders(table, witness).map(({ pid, kind, ageMs }) => ({ pid, kind, ageMs })),
    [{ pid: 1001, kind: 'transaction', ageMs: 5 }],
  )
})

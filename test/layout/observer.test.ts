/** Who only reads: every schedule of its copies beside changes, deaths and a fresh opening; and that it stores nothing. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { breakInTheWayOf, hasBreak, NEVER, refusalOf } from '../../src/layout/claims.ts'
import { BreakState, bucketOf, RecordKind } from '../../src/layout/format.ts'
import { flushDma } from '../../src/layout/flush-dma.ts'
import { ObserverTable } from '../../src/layout/observer.ts'
import type { PinTable } from '../../src/layout/pin-table.ts'
import { resetTable } from '../../src/layout/pin-table.ts'
import type { TableMemory } from '../../src/layout/surroundings.ts'
import { Waiting } from '../../src/layout/waiting.ts'
import type { Words } from '../../src/layout/words.ts'
import type { InodeNumber } from '../../src/units.ts'
import type { Cast, Protocol } from './pin-protocol.ts'
import { breaker, exploreCast, observer, opener, reaper } from './pin-protocol.ts'
import { claimOf, run, World } from './world.ts'

type Casts = Record<string, Cast>

const CASTS: Record<string, Casts> = {
  'a reader and a change that reuses the block, mortal': {
    change: { role: breaker(0), isMortal: true },
    reader: { role: observer(0) },
  },
  'a reader of a block that a collapse moves and a punch takes': {
    change: { role: breaker(0, { collapses: true }) },
    reader: { role: observer(1) },
  },
  'a reader, a change that dies and a reaper': {
    change: { role: breaker(0, { reclaims: false }), isMortal: true },
    reaper: { role: reaper },
    reader: { role: observer(0) },
  },
  'a reader and two changes': {
    'first change': { role: breaker(0, { reclaims: false }) },
    'second change': { role: breaker(0) },
    reader: { role: observer(0, 1) },
  },
  'a reader, a change that dies and who opens the pool afresh': {
    change: { role: breaker(0, { reclaims: false }), isMortal: true },
    reader: { role: observer(0) },
    opener: { role: opener(1) },
  },
}

describe('promise 6: a copy without a claim never is another file’s content, in every schedule of', () => {
  for (const [name, casts] of Object.entries(CASTS)) {
    test(name, (t) => {
      const { states, transitions, violation } = exploreCast(casts)
      assert.equal(
        violation,
        undefined,
        violation === undefined ? '' : [violation.message, ...violation.schedule].join('\n'),
      )
      t.diagnostic(`${states} states, ${transitions} transitions`)
    })
  }
})

const generationBeforeBreaks: Protocol['refusalOf'] = (
  table,
  { kind, ino, offset, length },
  { bucket, generation },
) => {
  if (table.generation(bucket) !== generation) return 'stale'
  return hasBreak(table, ino as InodeNumber, offset, length, breakInTheWayOf(kind)) ? 'break' : undefined
}

const generationOnly: Protocol['refusalOf'] = (table, _claim, { bucket, generation }) =>
  table.generation(bucket) === generation ? undefined : 'stale'

/** As if nobody who only reads could be there. */
const forgetful: typeof resetTable = (memory) =>
  resetTable({
    table: { ...memory.table, add: () => 0 },
    slot: (slot) => memory.slot(slot),
    chunk: (slot, chunk) => memory.chunk(slot, chunk),
  })

const FAULTS: Record<string, { cast: string; protocol: Partial<Protocol> }> = {
  'a copy is taken without looking again': {
    cast: 'a reader and a change that reuses the block, mortal',
    protocol: { refusalOf: () => undefined },
  },
  'the generation is looked at before the breaks': {
    cast: 'a reader, a change that dies and a reaper',
    protocol: { refusalOf: generationBeforeBreaks },
  },
  'the breaks are not looked at': {
    cast: 'a reader, a change that dies and a reaper',
    protocol: { refusalOf: generationOnly },
  },
  'a fresh opening leaves the generations of what the dead broke': {
    cast: 'a reader, a change that dies and who opens the pool afresh',
    protocol: { resetTable: forgetful },
  },
}

describe('the explorer finds that', () => {
  for (const [name, { cast, protocol }] of Object.entries(FAULTS)) {
    test(name, () => {
      const casts = Object.entries(CASTS[cast]).map(([who, part]) => [who, { ...part, protocol }] as const)
      assert.match(exploreCast(Object.fromEntries(casts)).violation?.message ?? 'nothing', /another file's content/)
    })
  }
})

/** Memory that may not be stored to. */
function guarded(memory: TableMemory): TableMemory {
  const refuse = (): never => assert.fail('stored')
  const guard = (words: Words): Words => ({
    load: (index) => words.load(index),
    get: (index) => words.get(index),
    getWide: (index) => words.getWide(index),
    store: refuse,
    setWide: refuse,
    add: refuse,
    compareExchange: refuse,
    set: refuse,
  })
  return {
    table: guard(memory.table),
    slot: (slot) => guard(memory.slot(slot)),
    chunk: (slot, chunk) => guard(memory.chunk(slot, chunk)),
  }
}

const INO = 7 as InodeNumber

test('it claims, lets go, waits and leaves without a store, and nobody sees its claims', async () => {
  const world = new World()
  const writer = world.join()
  const table: PinTable = new ObserverTable(guarded(world.memory), (slot) => world.locks.has(slot), world.clock)
  const broken = writer.table.publishBreak(INO, 0, 4096, BreakState.committing)
  assert.ok(broken !== undefined)
  const bucket = bucketOf(INO)
  const basis = { bucket, generation: table.generation(bucket), arrivals: NEVER }
  const claim = claimOf({ kind: RecordKind.copy, ino: INO, offset: 0, length: 4096 })
  const record = table.own.publish(claim, [run(3, 2), run(9)])
  table.own.grant(record)
  assert.equal(refusalOf(table, claim, basis), 'break')
  table.own.release(record)
  table.own.tidy()
  table.ring(writer.slot)
  assert.deepEqual([...writer.table.attached()], [writer.slot])
  assert.throws(() => table.publishBreak(INO, 0, 1, BreakState.watching), { code: 'EROFS' })

  const waiting = new Waiting(table)
  let isOver = false
  const waited = waiting.until(
    () => (isOver ? 'over' : undefined),
    { deadlineMs: Infinity },
    () => new Error('time'),
  )
  isOver = true
  world.clock.pass(10)
  assert.equal(await waited, 'over')
  assert.equal(world.clock.timers, 0, 'it looks no more')
  table.detach()
})

test('what a dead owner left is void, and stays', () => {
  const world = new World()
  const writer = world.join()
  const table = new ObserverTable(guarded(world.memory), (slot) => world.locks.has(slot), world.clock)
  assert.equal(table.reapIfDead(writer.slot), false)
  world.kill(writer)
  assert.equal(table.reapIfDead(writer.slot), true)
  assert.deepEqual([...table.attached()], [writer.slot])
})

test('it waits for pins to end by looking', async () => {
  const world = new World()
  const writer = world.join()
  const table = new ObserverTable(guarded(world.memory), (slot) => world.locks.has(slot), world.clock)
  const record = writer.table.own.publish(claimOf({ ino: INO }), [run(3)])
  writer.table.own.grant(record)
  const layout = { inode: {}, extents: [{ fileBlock: 0, deviceBlock: 3, count: 1 }] }
  const door = {
    table,
    waiting: new Waiting(table),
    metadata: { layout: async () => layout },
    witness: { commandLine: () => '', takenAt: () => undefined },
    isReadOnly: true,
  } as unknown as Parameters<typeof flushDma>[0]
  const flushed = flushDma(door, {
    ino: INO,
    start: 0,
    end: 4096,
    limits: { deadlineMs: Infinity },
    syscall: 'flushDma',
  })
  await Promise.resolve()
  world.clock.pass(50)
  writer.table.own.release(record)
  world.clock.pass(10)
  await flushed
})

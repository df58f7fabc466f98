/**
 * Who is alone changes the metadata without committing, in every schedule of others who come, look and leave, with deaths
 * between any two steps: nobody ever reads beside a batch, or keeps what is not so. And the faults that must be found.
 *
 * The store is a model: a number that the one counts up, what is committed of it, and whose transaction is open. SQLite takes back
 * what a dead process has not committed.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Slot, Table } from '../../src/layout/format.ts'
import { resetTable } from '../../src/layout/pin-table.ts'
import { announce, batchOwnerIn, enter, mayLook, Solitude } from '../../src/layout/solitude.ts'
import type { ActorContext, ActorDefinition, Exploration, ModelMemory } from './explorer.ts'
import { Broken, explore } from './explorer.ts'
import { World } from './world.ts'

const SLOTS = 3
const SLOT_BASE = (slot: number): number => 1_000_000 * (slot + 1)
const MODEL = 100_000_000
const lockOf = (slot: number): number => MODEL + slot
/** 1 + actor whose transaction is open; 0: none is. */
const OPEN = MODEL + 10
/** Changes carried out, and committed. */
const CHANGES = MODEL + 11
const COMMITTED = MODEL + 12
/** The change mark of what is counted. */
const MARK = MODEL + 13
/** What an observer keeps: 1 + the number, and the mark under which it keeps it. */
const KEPT = MODEL + 14
const KEPT_UNDER = MODEL + 15
/** Changes that had returned when the observer called. */
const RETURNED = MODEL + 16

/** Index of the complaint, from 1 on. */
const COMPLAINT = MODEL + 17
const COMPLAINTS = [
  'two have a batch',
  'somebody reads beside a batch',
  'a change that had returned is not seen',
] as const

const complain = (memory: ModelMemory, what: (typeof COMPLAINTS)[number]): void =>
  memory.set(COMPLAINT, 1 + COMPLAINTS.indexOf(what))

type Seen = ConstructorParameters<typeof Solitude>[0]

/** The table as a participant sees it. Locks are words of the model. */
function tableOf(actor: ActorContext, slot: number): Seen {
  const table = actor.words(0)
  const slots = Array.from({ length: SLOTS }, (_, index) => actor.words(SLOT_BASE(index)))
  const locks = actor.words(MODEL)
  let nowMs = 0
  return {
    memory: { table, slot: (index) => slots[index], chunk: () => assert.fail('no records here') },
    own: { index: slot } as Seen['own'],
    *attached() {
      for (let index = 0; index < SLOTS; index++) if (slots[index].load(Slot.state) !== 0) yield index
    },
    liveness: {
      isAlive: (index) => locks.load(index) !== 0,
      tryOwn: () => assert.fail('nobody is buried here'),
      disown: () => undefined,
    },
    // Enough passes between two looks.
    clock: {
      nowMs: () => (nowMs += 1000),
      steadyMs: () => nowMs,
      coarseMs: () => 0,
      after: () => assert.fail('nobody waits here'),
    },
  }
}

interface Protocol {
  readonly Alone: typeof Solitude
  /** In this order. */
  readonly come: readonly ('announce' | 'look')[]
}

const RIGHT: Protocol = { Alone: Solitude, come: ['announce', 'look'] }

/** Takes a lock and a slot; `isThere`: as part of the set-up. Whether it may look at the metadata. */
function come(actor: ActorContext, table: Seen, { come: steps }: Protocol): boolean {
  const slot = table.own.index
  actor.words(MODEL).store(slot, 1)
  table.memory.slot(slot).store(Slot.state, 1)
  let mayRead = false
  for (const step of steps) {
    if (step === 'announce') announce(table)
    // Who waits looks again; what it finds then is found by who comes later, too.
    else mayRead = mayLook(table) || mayLook(table)
  }
  return mayRead
}

function leave(actor: ActorContext, table: Seen): void {
  table.memory.slot(table.own.index).store(Slot.state, 0)
  actor.words(MODEL).store(table.own.index, 0)
}

function batches(actor: ActorContext, alone: Solitude, times: number): void {
  for (let i = 0; i < times; i++) {
    if (!alone.begin()) continue
    actor.step('changes, in a batch', (memory) => {
      if (memory.get(OPEN) !== 0) complain(memory, 'two have a batch')
      memory.set(OPEN, 1 + actor.index)
      memory.set(MARK, memory.get(MARK) + 1)
      memory.set(CHANGES, memory.get(CHANGES) + 1)
      return 0
    })
    actor.step('its call returns', (memory) => {
      memory.set(MARK, memory.get(MARK) + 1)
      memory.set(RETURNED, memory.get(CHANGES))
      return 0
    })
    actor.step('commits', (memory) => {
      memory.set(COMMITTED, memory.get(CHANGES))
      memory.set(OPEN, 0)
      return 0
    })
    alone.end()
  }
}

/** Has come before anybody else, and works. */
const theOne =
  (protocol: Protocol, times: number) =>
  (actor: ActorContext): void => {
    const table = tableOf(actor, 0)
    come(actor, table, RIGHT)
    actor.start()
    batches(actor, new protocol.Alone(table), times)
  }

/** Comes, reads, and leaves, or, with `times`, works as well. */
const comer =
  (protocol: Protocol, slot: number, times = 0) =>
  (actor: ActorContext): void => {
    const table = tableOf(actor, slot)
    actor.start()
    if (come(actor, table, protocol)) {
      actor.step('reads', (memory) => {
        if (memory.get(OPEN) !== 0) complain(memory, 'somebody reads beside a batch')
        return 0
      })
      batches(actor, new protocol.Alone(table), times)
    }
    leave(actor, table)
  }

/** Who only reads: loads the mark, waits for what is not committed, reads, and keeps that while the mark is the same. */
const observer =
  (waits: boolean) =>
  (actor: ActorContext): void => {
    const table = tableOf(actor, SLOTS)
    actor.start()
    const returned = actor.step('calls', (memory) => memory.get(RETURNED))
    const mark = actor.words(MODEL).load(MARK - MODEL)
    if (waits && batchOwnerIn(table) !== undefined && batchOwnerIn(table) !== undefined) return
    const value = actor.step('reads', (memory) => {
      const committed = memory.get(COMMITTED)
      // What a death took back had returned, too.
      if (committed < returned && memory.get(CHANGES) >= returned)
        complain(memory, 'a change that had returned is not seen')
      return committed
    })
    if (mark % 2 === 1 || actor.words(MODEL).load(MARK - MODEL) !== mark) return
    actor.step('keeps it', (memory) => {
      memory.set(KEPT, 1 + value)
      memory.set(KEPT_UNDER, mark)
      return 0
    })
  }

function exploreWith(actors: readonly ActorDefinition[]): Exploration {
  return explore({
    actors,
    hot: [OPEN, CHANGES, COMMITTED, MARK, KEPT, KEPT_UNDER, RETURNED, COMPLAINT, ...[0, 1, 2].map(lockOf)],
    initial: new Map(),
    onDeath: (memory, actor) => {
      // Actors of slots are in the order of their slots.
      if (actor < SLOTS) memory.set(lockOf(actor), 0)
      if (memory.get(OPEN) !== 1 + actor) return
      memory.set(OPEN, 0)
      memory.set(CHANGES, memory.get(COMMITTED))
      memory.set(RETURNED, memory.get(COMMITTED))
      // What was kept under another one before is not looked at any more.
      memory.set(MARK, memory.get(MARK) + 2)
    },
    check: (memory) => {
      if (memory.get(COMPLAINT) !== 0) throw new Broken(COMPLAINTS[memory.get(COMPLAINT) - 1])
    },
    checkEnd: (memory) => {
      const isBelieved = memory.get(KEPT) > 0 && memory.get(KEPT_UNDER) === memory.get(MARK)
      if (isBelieved && memory.get(KEPT) - 1 !== memory.get(COMMITTED)) throw new Broken('what is kept is not so')
    },
  })
}

const CASTS: Record<string, (protocol: Protocol) => ActorDefinition[]> = {
  'three batches, and somebody who comes and leaves': (protocol) => [
    { name: 'the one', run: theOne(protocol, 3), isMortal: true },
    { name: 'who comes', run: comer(protocol, 1), isMortal: true },
  ],
  'two batches, and two who come': (protocol) => [
    { name: 'the one', run: theOne(protocol, 2), isMortal: true },
    { name: 'who comes', run: comer(protocol, 1) },
    { name: 'who comes, too', run: comer(protocol, 2) },
  ],
  'two batches, and somebody who comes and may be the only one then': (protocol) => [
    { name: 'the one', run: theOne(protocol, 2), isMortal: true },
    { name: 'the next one', run: comer(protocol, 1, 1), isMortal: true },
  ],
  'two batches, and who only reads': (protocol) => [
    { name: 'the one', run: theOne(protocol, 2) },
    { name: 'who comes', run: comer(protocol, 1) },
    { name: 'nobody', run: (actor) => actor.start() },
    { name: 'who only reads', run: observer(true) },
  ],
}

describe('nobody reads beside a batch, in every schedule of', () => {
  for (const [name, cast] of Object.entries(CASTS)) {
    test(name, (t) => {
      const { states, violation } = exploreWith(cast(RIGHT))
      const found = violation === undefined ? '' : [violation.message, ...violation.schedule].join('\n')
      assert.equal(violation, undefined, found)
      t.diagnostic(`${states} states`)
    })
  }
})

/** Looks whether it is alone before it says that it has a batch. */
class Careless extends Solitude {
  override begin(): boolean {
    if (!super.begin()) return false
    super.end()
    return this.isStill && this.#begin()
  }

  #begin(): boolean {
    Object.defineProperty(this, 'isStill', { value: true })
    return super.begin()
  }
}

/** Takes itself for alone once and for all. */
class Deaf extends Solitude {
  override get isStill(): boolean {
    return true
  }
}

describe('and it is found when', () => {
  const faults: Record<string, { cast: string; protocol: Partial<Protocol>; says: RegExp }> = {
    'who comes looks before it makes itself known': {
      cast: 'three batches, and somebody who comes and leaves',
      protocol: { come: ['look', 'announce'] },
      says: /reads beside a batch/,
    },
    'who is alone looks before it says that it has a batch': {
      cast: 'three batches, and somebody who comes and leaves',
      protocol: { Alone: Careless },
      says: /reads beside a batch/,
    },
    'who is alone does not look again': {
      cast: 'two batches, and two who come',
      protocol: { Alone: Deaf },
      says: /reads beside a batch/,
    },
  }
  for (const [fault, { cast, protocol, says }] of Object.entries(faults)) {
    test(fault, () => {
      const { violation } = exploreWith(CASTS[cast]({ ...RIGHT, ...protocol }))
      assert.match(violation?.message ?? 'nothing was found', says)
    })
  }

  test('who only reads does not wait', () => {
    const cast = CASTS['two batches, and who only reads'](RIGHT)
    const { violation } = exploreWith([...cast.slice(0, 3), { name: 'who only reads', run: observer(false) }])
    assert.match(violation?.message ?? 'nothing was found', /not seen|not so/)
  })
})

test('with others there nobody is alone, and it is again when they have left, or died', () => {
  const world = new World()
  const one = world.join()
  announce(one.table)
  const alone = new Solitude(one.table)
  assert.ok(alone.begin())
  alone.end()
  const other = world.join()
  announce(other.table)
  assert.ok(!alone.isStill)
  assert.ok(!alone.begin())
  other.table.detach()
  world.kill(other)
  assert.ok(!alone.begin(), 'it has just looked')
  world.clock.pass(10)
  assert.ok(alone.begin())
  alone.end()
  const third = world.join()
  announce(third.table)
  world.kill(third)
  world.clock.pass(10)
  assert.ok(alone.begin(), 'the dead read nothing')
})

test('promise 4: who comes waits for a batch, at most so long, and is told whose it is', async () => {
  const world = new World()
  const one = world.join()
  announce(one.table)
  const alone = new Solitude(one.table)
  assert.ok(alone.begin())
  const other = world.join()
  const holder = { pid: 1000, threadId: 0, slot: one.slot, command: '', kind: 'transaction' } as const
  let outcome: unknown = 'waits'
  const waits = enter(other.table, 20, '/pool', () => [holder]).catch((error: unknown) => (outcome = error))
  const pass = async (ms: number): Promise<void> => {
    for (let i = 0; i < ms; i++) {
      world.clock.pass(1)
      await new Promise(setImmediate)
    }
  }
  await pass(19)
  assert.equal(outcome, 'waits')
  await pass(2)
  await waits
  assert.throws(
    () => {
      throw outcome
    },
    { code: 'ETIMEDOUT', holders: [holder], path: '/pool' },
  )
  assert.ok(!alone.isStill)
  alone.end()
  await enter(other.table, 20, '/pool', () => [])
})

test('what a dead one left open is closed by who comes', async () => {
  const world = new World()
  const one = world.join()
  announce(one.table)
  assert.ok(new Solitude(one.table).begin())
  world.kill(one)
  resetTable(world.memory)
  const other = world.join()
  assert.equal(other.slot, one.slot, 'the slot of the dead one')
  await enter(other.table, 0, '/pool', () => [])
  assert.equal(world.memory.table.load(Table.batch) & 1, 0)
  assert.ok(new Solitude(other.table).begin())
})

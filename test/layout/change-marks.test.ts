/**
 * Every schedule of change marks: writers one after the other, a reader with a cache, death between any two operations.
 * What a reader says is never behind what was committed when it was asked; and the faults that must be found.
 *
 * The thing read is a count that each commit raises. A transaction is: begin (one at a time, lost at death), commit.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { TableMarks, UNKNOWN } from '../../src/layout/change-marks.ts'
import { Bucket, bucketOf } from '../../src/layout/format.ts'
import type { Words } from '../../src/layout/words.ts'
import type { InodeNumber } from '../../src/units.ts'
import type { ActorContext, ActorDefinition, Exploration, ModelMemory } from './explorer.ts'
import { Broken, explore } from './explorer.ts'

const INO = 5 as InodeNumber
const MARK = bucketOf(INO) + Bucket.changes

const MODEL = 100_000_000
/** Who is in a transaction: actor + 1. */
const TRANSACTION = MODEL
/** What is read. */
const COUNT = MODEL + 1
/** 1: somebody said a count that was old when it was asked. */
const IS_STALE = MODEL + 2
/** The count when an actor was asked. */
const askedAt = (actor: number): number => MODEL + 10 + actor

interface Kept {
  readonly count: number
  readonly mark: number
}

/** The real code, and where a test puts a fault into it. */
interface Protocol {
  readonly Marks: typeof TableMarks
  /** What a writer does, in order, from BEGIN to its end. */
  readonly order: readonly ('mark' | 'commit' | 'end')[]
  /** How a reader fills its cache: as files/known.ts does. */
  readonly fill: (marks: TableMarks, read: () => number) => { readonly count: number; readonly kept: Kept | undefined }
}

const REAL: Protocol = {
  Marks: TableMarks,
  order: ['mark', 'commit', 'end'],
  fill(marks, read) {
    const mark = marks.current(INO)
    const count = read()
    const mayKeep = mark !== UNKNOWN && marks.isCurrent(INO, mark)
    return { count, kept: mayKeep ? { count, mark } : undefined }
  },
}

const readCount = (actor: ActorContext): number => actor.step('read', (memory) => memory.get(COUNT))

/** Asks for the count as often as said, through a cache. */
function ask(actor: ActorContext, protocol: Protocol, marks: TableMarks, times: number, first?: Kept): void {
  let kept = first
  for (let i = 0; i < times; i++) {
    actor.step('ask', (memory) => {
      memory.set(askedAt(actor.index), memory.get(COUNT))
      return 0
    })
    let count: number
    if (kept !== undefined && marks.isCurrent(INO, kept.mark)) {
      count = kept.count
    } else {
      ;({ count, kept } = protocol.fill(marks, () => readCount(actor)))
    }
    actor.step('say', (memory) => {
      if (count < memory.get(askedAt(actor.index))) memory.set(IS_STALE, 1)
      return 0
    })
  }
}

type Role = (protocol: Protocol) => (actor: ActorContext) => void

const reader =
  (times: number): Role =>
  (protocol) =>
  (actor) => {
    const marks = new protocol.Marks({ table: actor.words(0) })
    actor.start()
    ask(actor, protocol, marks, times)
  }

/** Changes the count, or rolls back; then asks for it, with what it committed itself in its cache. */
const writer =
  ({ changes = 1, rollsBack = false, asks = 0 } = {}): Role =>
  (protocol) =>
  (actor) => {
    const marks = new protocol.Marks({ table: actor.words(0) })
    actor.start()
    let kept: Kept | undefined
    for (let i = 0; i < changes; i++) {
      actor.step(
        'BEGIN',
        (memory) => {
          memory.set(TRANSACTION, actor.index + 1)
          return 0
        },
        (memory) => memory.get(TRANSACTION) === 0,
      )
      for (const step of protocol.order) {
        if (step === 'mark') marks.begin(INO)
        else if (step === 'end') marks.end()
        else {
          const mark = marks.expected(INO)
          const count = actor.step(rollsBack ? 'ROLLBACK' : 'COMMIT', (memory) => {
            memory.set(COUNT, memory.get(COUNT) + (rollsBack ? 0 : 1))
            memory.set(TRANSACTION, 0)
            return memory.get(COUNT)
          })
          kept = mark === UNKNOWN ? undefined : { count, mark }
        }
      }
    }
    ask(actor, protocol, marks, asks, kept)
  }

/** Looks, in a transaction of its own, at what it does not change: what it may keep is the mark of that instant. */
const onlooker: Role = (protocol) => (actor) => {
  const marks = new protocol.Marks({ table: actor.words(0) })
  actor.start()
  actor.step(
    'BEGIN',
    (memory) => {
      memory.set(TRANSACTION, actor.index + 1)
      return 0
    },
    (memory) => memory.get(TRANSACTION) === 0,
  )
  const mark = marks.committing(INO)
  const count = actor.step('COMMIT', (memory) => {
    memory.set(TRANSACTION, 0)
    return memory.get(COUNT)
  })
  ask(actor, protocol, marks, 1, mark === UNKNOWN ? undefined : { count, mark })
}

interface Cast {
  readonly role: Role
  readonly isMortal?: boolean
}

type Casts = Readonly<Record<string, Cast>>

function exploreCasts(casts: Casts, fault: Partial<Protocol> = {}): Exploration {
  const protocol = { ...REAL, ...fault }
  const entries = Object.entries(casts)
  const actors = entries.map(([name, { role, isMortal = false }]): ActorDefinition => {
    return { name, isMortal, run: role(protocol) }
  })
  const isAnybodyMortal = entries.some(([, { isMortal }]) => isMortal)
  return explore({
    actors,
    hot: [MARK, TRANSACTION, COUNT, IS_STALE, ...actors.map((_, index) => askedAt(index))],
    initial: new Map(),
    onDeath: (memory, actor) => {
      if (memory.get(TRANSACTION) === actor + 1) memory.set(TRANSACTION, 0)
    },
    check: (memory) => {
      if (memory.get(IS_STALE) === 1) throw new Broken('somebody said what was old when it was asked')
    },
    checkEnd: (memory: ModelMemory) => {
      if (!isAnybodyMortal && (memory.get(MARK) & 1) !== 0) throw new Broken('the mark stays odd, and nothing is kept')
    },
  })
}

const CASTS: Record<string, Casts> = {
  'a reader and a writer, both mortal': {
    reader: { role: reader(3), isMortal: true },
    writer: { role: writer({ changes: 2 }), isMortal: true },
  },
  'a reader and two writers': {
    reader: { role: reader(3) },
    'first writer': { role: writer() },
    'second writer': { role: writer() },
  },
  'a reader and two mortal writers': {
    reader: { role: reader(2) },
    'first writer': { role: writer({ changes: 2 }), isMortal: true },
    'second writer': { role: writer(), isMortal: true },
  },
  'a reader, a writer that rolls back and one that does not': {
    reader: { role: reader(2) },
    'who rolls back': { role: writer({ rollsBack: true }), isMortal: true },
    writer: { role: writer(), isMortal: true },
  },
  'two writers that keep what they committed': {
    'first writer': { role: writer({ asks: 2 }), isMortal: true },
    'second writer': { role: writer({ asks: 1 }) },
    'third writer': { role: writer() },
  },
  'a writer and who looks in a transaction': {
    onlooker: { role: onlooker },
    writer: { role: writer({ changes: 2 }), isMortal: true },
    reader: { role: reader(1) },
  },
}

describe('what is kept under a change mark is never behind what is committed, in every schedule of', () => {
  for (const [name, casts] of Object.entries(CASTS)) {
    test(name, (t) => {
      const { states, transitions, violation } = exploreCasts(casts)
      assert.equal(
        violation,
        undefined,
        violation === undefined ? '' : [violation.message, ...violation.schedule].join('\n'),
      )
      t.diagnostic(`${states} states, ${transitions} transitions`)
    })
  }
})

/** Marks with a fault: `begin` and `end` are as a test says. */
function faulty(begin: (words: Words) => number, end: (words: Words, odd: number) => void): typeof TableMarks {
  return class extends TableMarks {
    readonly #words: Words
    #odd = 0

    constructor(memory: { readonly table: Words }) {
      super(memory)
      this.#words = memory.table
    }

    override begin(): void {
      this.#odd = begin(this.#words)
    }

    override end(): void {
      end(this.#words, this.#odd)
    }

    override expected(): number {
      return this.#odd + 1
    }
  }
}

function newOdd(words: Words): number {
  const value = words.load(MARK)
  const odd = value + ((value & 1) === 0 ? 1 : 2)
  words.store(MARK, odd)
  return odd
}

const toEven = (words: Words, odd: number): void => void words.compareExchange(MARK, odd, odd + 1)

const THREE: Casts = {
  reader: { role: reader(2) },
  'first writer': { role: writer({ asks: 1 }) },
  'second writer': { role: writer() },
}

const FAULTS: Record<string, { readonly casts?: Casts; readonly fault: Partial<Protocol> }> = {
  'an end that stores its even value over another’s mark': {
    fault: { Marks: faulty(newOdd, (words, odd) => words.store(MARK, odd + 1)) },
  },
  'a begin that leaves an odd mark as it is': {
    fault: {
      Marks: faulty((words) => {
        const value = words.load(MARK)
        if ((value & 1) === 0) words.store(MARK, value + 1)
        return value | 1
      }, toEven),
    },
  },
  'an end that goes back to the value of before': {
    fault: { Marks: faulty(newOdd, (words, odd) => void words.compareExchange(MARK, odd, odd - 1)) },
  },
  'an end that never comes': { fault: { Marks: faulty(newOdd, () => {}) } },
  'a mark that is made after the commit': { fault: { order: ['commit', 'mark', 'end'] } },
  'a mark that ends before the commit': { fault: { order: ['mark', 'end', 'commit'] } },
  'a cache that is filled under the mark of after': {
    fault: {
      fill(marks, read) {
        const count = read()
        return { count, kept: { count, mark: marks.current(INO) } }
      },
    },
  },
  'a cache that is filled under an odd mark': {
    fault: {
      Marks: class extends TableMarks {
        readonly #words: Words

        constructor(memory: { readonly table: Words }) {
          super(memory)
          this.#words = memory.table
        }

        override current(): number {
          return this.#words.load(MARK)
        }
      },
    },
  },
}

describe('the explorer finds', () => {
  for (const [name, { casts = THREE, fault }] of Object.entries(FAULTS)) {
    test(name, (t) => {
      const { states, violation } = exploreCasts(casts, fault)
      assert.match(violation?.message ?? 'nothing', /old when it was asked|stays odd/)
      t.diagnostic(`after ${states} states: ${violation?.message}, in ${violation?.schedule.length} steps`)
    })
  }
})

test('the second look of who fills a cache saves room only: a mark that is over never comes back', () => {
  const fill: Protocol['fill'] = (marks, read) => {
    const mark = marks.current(INO)
    const count = read()
    return { count, kept: { count, mark } }
  }
  assert.equal(exploreCasts(THREE, { fill }).violation, undefined)
})

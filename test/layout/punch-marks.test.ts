/**
 * Punch marks, in every schedule of a read into a block, punches of its neighbour, flushes, and the kernel's late note that
 * what it read is dirty: what the reader says is there is there, for good. And the faults that must be found.
 *
 * The kernel is a model of what docs/internals/page-cache.md says of it: one page of the block, in the page cache or not, and
 * what the disk has of it. A punch beside it drops the page when it is referenced and clean.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { PUNCHES, PUNCHES_START } from '../../src/layout/format.ts'
import { resetTable } from '../../src/layout/pin-table.ts'
import { PunchMarks, PunchWatch, wordsNear } from '../../src/layout/punch-marks.ts'
import type { Words } from '../../src/layout/words.ts'
import type { ActorContext, ActorDefinition, Exploration, ModelMemory } from './explorer.ts'
import { Broken, explore } from './explorer.ts'
import { run, World } from './world.ts'

const BLOCK = 4096
const BLOCKS = [{ start: 0, end: BLOCK }]
const MARK = PUNCHES_START

const MODEL = 100_000_000
/** 1: the page that the mapping shows is in the page cache. */
const IS_CACHED = MODEL
/** 1: it, or else the disk, has what is read. */
const CONTENT = MODEL + 1
const IS_DIRTY = MODEL + 2
const ON_DISK = MODEL + 3
/** Of the read: 0 not begun, 1 references the page, 2 references one that was dropped, 3 over. */
const READ = MODEL + 4
/** 1: the note that the page is dirty is to come. */
const IS_LATE = MODEL + 5
/** 1: the reader says that it is there. */
const IS_SAID = MODEL + 6
const INITIAL = new Map([[IS_CACHED, 1]])

/** Whoever touches the mapping brings the page in from the disk. */
function bringIn(memory: ModelMemory): void {
  if (memory.get(IS_CACHED) === 1) return
  memory.set(IS_CACHED, 1)
  memory.set(CONTENT, memory.get(ON_DISK))
  memory.set(IS_DIRTY, 0)
}

const isReferenced = (memory: ModelMemory): boolean => memory.get(READ) === 1 || memory.get(IS_LATE) === 1

/** What the reader does, in order; a test leaves something out. */
type Step = 'begin' | 'read' | 'store'

const reader =
  (steps: readonly Step[], Watch: typeof PunchWatch, reads = 1) =>
  (actor: ActorContext): void => {
    const watch = new Watch(actor.words(0), wordsNear(BLOCKS))
    actor.start()
    for (let i = 0; i < reads; i++) {
      for (const step of steps) {
        if (step === 'begin') watch.begin()
        if (step === 'read') read(actor)
        if (step === 'store') {
          actor.step('store', (memory) => {
            bringIn(memory)
            memory.set(IS_DIRTY, 1)
            return 0
          })
        }
      }
      if (watch.hasPunch()) continue
      actor.step('says that it is there', (memory) => {
        memory.set(IS_SAID, 1)
        return 0
      })
      return
    }
  }

function read(actor: ActorContext): void {
  actor.step('references the page', (memory) => {
    bringIn(memory)
    memory.set(IS_DIRTY, 1)
    memory.set(READ, 1)
    return 0
  })
  actor.step('the disk writes into it', (memory) => {
    if (memory.get(READ) === 1) memory.set(CONTENT, 1)
    return 0
  })
  actor.step('the read is over', (memory) => {
    if (memory.get(READ) === 1 && memory.get(IS_DIRTY) === 0) memory.set(IS_LATE, 1)
    memory.set(READ, 3)
    return 0
  })
}

/** The kernel's work item that marks pages dirty after the read was reported. */
const lateNote = (actor: ActorContext): void => {
  actor.start()
  actor.step('notes late that it is dirty', (memory) => {
    if (memory.get(IS_LATE) === 1 && memory.get(IS_CACHED) === 1) memory.set(IS_DIRTY, 1)
    memory.set(IS_LATE, 0)
    return 0
  })
}

const flusher =
  (times: number) =>
  (actor: ActorContext): void => {
    actor.start()
    for (let i = 0; i < times; i++) {
      actor.step('flushes', (memory) => {
        if (memory.get(IS_CACHED) === 1 && memory.get(IS_DIRTY) === 1) {
          memory.set(ON_DISK, memory.get(CONTENT))
          memory.set(IS_DIRTY, 0)
        }
        return 0
      })
    }
  }

const puncher =
  (Marks: typeof PunchMarks, times = 1) =>
  (actor: ActorContext): void => {
    const marks = new Marks({ table: actor.words(0) })
    actor.start()
    for (let i = 0; i < times; i++) {
      marks.during(run(1, 1), () =>
        actor.step('punches beside it', (memory) => {
          if (memory.get(IS_CACHED) === 1 && isReferenced(memory) && memory.get(IS_DIRTY) === 0) {
            memory.set(IS_CACHED, 0)
            memory.set(IS_LATE, 0)
            if (memory.get(READ) === 1) memory.set(READ, 2)
          }
          return 0
        }),
      )
    }
  }

interface Faults {
  readonly steps?: readonly Step[]
  readonly Watch?: typeof PunchWatch
  readonly Marks?: typeof PunchMarks
}

function exploreReads(
  { steps = ['begin', 'read', 'store'], Watch = PunchWatch, Marks = PunchMarks }: Faults,
  { reads = 1, flushes = 2, punches = 1, punchers = 1 } = {},
): Exploration {
  const actors: ActorDefinition[] = [
    { name: 'reader', run: reader(steps, Watch, reads) },
    { name: 'late note', run: lateNote },
    { name: 'flusher', run: flusher(flushes) },
    ...Array.from({ length: punchers }, (_, i) => {
      return { name: `puncher ${i}`, run: puncher(Marks, punches), isMortal: true }
    }),
  ]
  return explore({
    actors,
    hot: [MARK, IS_CACHED, CONTENT, IS_DIRTY, ON_DISK, READ, IS_LATE, IS_SAID],
    initial: INITIAL,
    check: (memory) => {
      const shown = memory.get(memory.get(IS_CACHED) === 1 ? CONTENT : ON_DISK)
      if (memory.get(IS_SAID) === 1 && shown === 0) throw new Broken('what was read is not there')
    },
  })
}

describe('promise 1: what a read is said to have put into a block is there, in every schedule of', () => {
  for (const [name, casts] of Object.entries({
    'a read, two flushes and a punch': {},
    'a read, two flushes and two who punch': { punchers: 2 },
    'two reads, two flushes and two punches': { reads: 2, punches: 2 },
  })) {
    test(name, (t) => {
      const { states, violation } = exploreReads({}, casts)
      assert.equal(
        violation,
        undefined,
        violation === undefined ? '' : [violation.message, ...violation.schedule].join('\n'),
      )
      t.diagnostic(`${states} states`)
    })
  }

  const faults: Record<string, Faults> = {
    'nobody stores into the page after the read': { steps: ['begin', 'read'] },
    'the marks are looked at after the read only': { steps: ['read', 'store', 'begin'] },
    'who punches leaves its mark afterwards only': {
      Marks: class extends PunchMarks {
        override during(blocks: Parameters<PunchMarks['during']>[0], punch: () => void): void {
          punch()
          super.during(blocks, () => undefined)
        }
      },
    },
    'a punch under way is overlooked': {
      Watch: class extends PunchWatch {
        readonly #words: Words
        #seen = 0

        constructor(table: Words, words: readonly number[]) {
          super(table, words)
          this.#words = table
        }

        override begin(): void {
          this.#seen = this.#words.load(MARK)
        }

        override hasPunch(): boolean {
          return this.#words.load(MARK) !== this.#seen
        }
      },
    },
  }
  for (const [fault, faulty] of Object.entries(faults)) {
    test(`and it is found when ${fault}`, () => {
      assert.equal(exploreReads(faulty).violation?.message, 'what was read is not there')
    })
  }
})

test('a mark stands for 2 MiB of the file of the device, label included, and counts what is over and what is under way', () => {
  const { memory } = new World()
  const marks = new PunchMarks(memory)
  const near = marks.watch([{ start: 510 * BLOCK, end: 512 * BLOCK }])
  const elsewhere = marks.watch([{ start: 1024 * BLOCK, end: 1536 * BLOCK }])
  for (const watch of [near, elsewhere]) watch.begin()
  marks.during(run(0, 1), () => {
    assert.ok(near.hasPunch())
    near.begin()
    assert.ok(near.hasPunch(), 'one is under way')
    assert.ok(!elsewhere.hasPunch())
  })
  assert.ok(near.hasPunch())
  near.begin()
  assert.ok(!near.hasPunch(), 'it is over')
  // Blocks 511 and 512 are pages of one folio, if it is a large one; 510 and 511 never are.
  const behind = marks.watch([{ start: 512 * BLOCK, end: 513 * BLOCK }])
  behind.begin()
  marks.during(run(510, 1), () => undefined)
  assert.ok(!behind.hasPunch())
  marks.during(run(511, 1), () => undefined)
  assert.ok(behind.hasPunch())
  near.begin()
  marks.during(run(1022, 600), () => undefined)
  assert.ok(near.hasPunch() && elsewhere.hasPunch())
  // A device has more regions than there are marks, and a run may be all of it.
  for (const watch of [near, elsewhere]) watch.begin()
  marks.during(run(3 * PUNCHES * 512 + 1, 4 * PUNCHES * 512), () => undefined)
  assert.ok(near.hasPunch() && elsewhere.hasPunch())
  for (const watch of [near, elsewhere]) watch.begin()
  assert.ok(!near.hasPunch() && !elsewhere.hasPunch())
})

test('a punch that fails is over, one whose process died is under way until the pool is opened afresh', () => {
  const { memory } = new World()
  const marks = new PunchMarks(memory)
  const watch = marks.watch(BLOCKS)
  const fail = (): void => {
    throw new Error('no space')
  }
  assert.throws(() => marks.during(run(0, 1), fail), /no space/)
  watch.begin()
  assert.ok(!watch.hasPunch())
  memory.table.add(MARK, 1)
  watch.begin()
  assert.ok(watch.hasPunch())
  resetTable(memory)
  watch.begin()
  assert.ok(!watch.hasPunch())
})

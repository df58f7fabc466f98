/**
 * The explorer itself: that it loses no outcome. Small random programs are tried by it, with all its short cuts, and by plain
 * enumeration of all schedules; what the programs have read in the end must be the same sets.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SEED } from '../support/seed.ts'
import { explore } from './explorer.ts'
import { IntTable } from './int-table.ts'

interface Step {
  readonly kind: 'load' | 'store' | 'add' | 'swap' | 'get' | 'set'
  readonly word: number
  readonly value: number
  /** Done only when the last load was of an even number. */
  readonly isConditional: boolean
}

interface Program {
  readonly steps: readonly Step[]
  readonly isMortal: boolean
}

const SAID = 1000
const WORDS = 3

/** What an actor makes of what it reads: says all of it in the end. */
const heard = (before: number, read: number): number => (before * 5 + read + 1) % 10_007

/** Every outcome, by going through all schedules. */
function enumerated(programs: readonly Program[]): Set<string> {
  const outcomes = new Set<string>()
  const seen = new Set<string>()
  interface Actor {
    readonly at: number
    readonly last: number
    readonly sum: number
    readonly said: number
    readonly isDead: boolean
  }
  const visit = (memory: readonly number[], actors: readonly Actor[]): void => {
    const key = JSON.stringify([memory, actors])
    if (seen.has(key)) return
    seen.add(key)
    let isOver = true
    for (const [index, actor] of actors.entries()) {
      const { steps, isMortal } = programs[index]
      if (actor.isDead || actor.at > steps.length) continue
      isOver = false
      const go = (next: Partial<Actor>, words = memory): void =>
        visit(words, actors.with(index, { ...actor, at: actor.at + 1, ...next }))
      if (isMortal) visit(memory, actors.with(index, { ...actor, isDead: true, at: 0, last: 0, sum: 0 }))
      if (actor.at === steps.length) {
        go({ said: actor.sum })
        continue
      }
      const { kind, word, value, isConditional } = steps[actor.at]
      const before = memory[word]
      if (isConditional && actor.last % 2 !== 0) go({})
      else if (kind === 'load' || kind === 'get') go({ last: before, sum: heard(actor.sum, before) })
      else if (kind === 'add') go({}, memory.with(word, before + value))
      else if (kind === 'swap') {
        const after = before === 0 ? memory.with(word, value) : memory
        go({ last: before, sum: heard(actor.sum, before) }, after)
      } else go({}, memory.with(word, value))
    }
    if (isOver) outcomes.add(JSON.stringify(actors.map(({ said }) => said)))
  }
  visit(
    Array.from({ length: WORDS }, () => 0),
    programs.map(() => ({ at: 0, last: 0, sum: 0, said: 0, isDead: false })),
  )
  return outcomes
}

/** The same by the explorer. */
function explored(programs: readonly Program[]): Set<string> {
  const outcomes = new Set<string>()
  const { violation } = explore({
    hot: programs.map((_, index) => SAID + index),
    initial: new Map(),
    actors: programs.map(({ steps, isMortal }, index) => ({
      name: `actor ${index}`,
      isMortal,
      run: (actor) => {
        const words = actor.words(0)
        actor.start()
        let last = 0
        let sum = 0
        for (const { kind, word, value, isConditional } of steps) {
          if (isConditional && last % 2 !== 0) continue
          if (kind === 'load' || kind === 'get') {
            last = words[kind](word)
            sum = heard(sum, last)
          } else if (kind === 'swap') {
            last = words.compareExchange(word, 0, value)
            sum = heard(sum, last)
          } else if (kind === 'add') words.add(word, value)
          else words[kind](word, value)
        }
        actor.step('say', (memory) => {
          memory.set(SAID + index, sum)
          return 0
        })
      },
    })),
    check: () => {},
    checkEnd: (memory) => {
      outcomes.add(JSON.stringify(programs.map((_, index) => memory.get(SAID + index))))
    },
  })
  assert.equal(violation, undefined)
  return outcomes
}

const steps = (most: number): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.record({
      kind: fc.constantFrom('load', 'load', 'store', 'add', 'swap', 'get', 'set'),
      word: fc.nat(WORDS - 1),
      value: fc.integer({ min: 1, max: 3 }),
      isConditional: fc.boolean(),
    }),
    { minLength: 1, maxLength: most },
  )
const program = (most: number): fc.Arbitrary<Program> => fc.record({ steps: steps(most), isMortal: fc.boolean() })

test('the outcomes of random programs are those of all schedules, deaths included', () => {
  const both = fc.oneof(fc.tuple(program(7), program(7)), fc.tuple(program(4), program(4), program(4)))
  fc.assert(
    fc.property(both, (programs) => {
      assert.deepEqual([...explored(programs)].sort(), [...enumerated(programs)].sort())
    }),
    { seed: SEED, numRuns: Number(process.env['HOLDFAST_RUNS'] ?? 300) },
  )
})

test('a table of rows finds what was added, and nothing else', () => {
  const table = new IntTable(3, 2)
  for (let i = 0; i < 20_000; i++) {
    assert.equal(table.add([i % 100, Math.floor(i / 100), i]), i)
    assert.equal(table.add([i % 100, Math.floor(i / 100), -1]), -1)
  }
  for (let i = 0; i < 20_000; i += 7) assert.equal(table.get(table.find([i % 100, Math.floor(i / 100)]), 2), i)
  assert.deepEqual([table.rows, table.find([100, 0]), table.find([0, 200])], [20_000, -1, -1])
})

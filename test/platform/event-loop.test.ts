/** Turns of the event loop: one time for each, and a promise of the next when one lasts long. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { turnBeganMs, turnIfDue } from '../../src/platform/event-loop.ts'

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Keeps the event loop from its next turn for so long. */
function spin(ms: number): void {
  for (const end = Date.now() + ms; Date.now() < end;);
}

test('the time is the same for all of a turn, and a new one in the next', async () => {
  const first = turnBeganMs()
  spin(5)
  assert.equal(turnBeganMs(), first)
  await Promise.resolve()
  assert.equal(turnBeganMs(), first, 'a promise that has resolved is no turn')
  await nextTurn()
  assert.ok(turnBeganMs() >= first + 5)
})

test('a turn is promised when this one has lasted for 10 ms, and only then', async () => {
  await nextTurn()
  turnBeganMs()
  spin(10)
  // It looks at the clock every few times.
  const asked = (): Promise<void>[] => Array.from({ length: 16 }, turnIfDue).filter((turn) => turn !== undefined)
  const due = asked()
  assert.ok(due.length > 0)
  await due[0]
  assert.deepEqual(asked(), [], 'a turn has just begun')
})

/** What is said of pins that nobody releases. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { DroppedPins } from '../../src/pool/dropped-pins.ts'

/** Warnings from here on. */
function warnings(t: TestContext): string[] {
  const told: string[] = []
  t.mock.method(process, 'emitWarning', (text: string) => void told.push(text))
  return told
}

test('thousands of dropped pins are one warning now and then, with a count', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const told = warnings(t)
  const dropped = new DroppedPins()
  for (let i = 0; i < 3000; i++) dropped.add(`a read pin of bytes ${i}-${i + 1}`, undefined)
  assert.deepEqual(told, [])
  t.mock.timers.tick(1)
  assert.equal(told.length, 1)
  assert.match(
    told[0],
    /^3000 pins were dropped without release\(\): their blocks stay pinned .* bytes 2999-3000, open the pool/,
  )
  for (let i = 0; i < 500; i++) {
    dropped.add('a write pin of bytes 0-1', 'at here')
    t.mock.timers.tick(10)
  }
  assert.equal(told.length, 1, 'in the next ten seconds none')
  t.mock.timers.tick(10_000)
  assert.equal(told.length, 2)
  assert.match(told[1], /^500 pins were dropped .* a write pin of bytes 0-1, taken at here$/)
  t.mock.timers.tick(100_000)
  assert.equal(told.length, 2)
  dropped.add('a read pin of bytes 5-6', 'at there')
  t.mock.timers.tick(1)
  assert.match(told[2], /^a read pin of bytes 5-6 was dropped without release\(\): its blocks stay .* taken at there$/)
})

test('what was not told of yet is told at the end', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const told = warnings(t)
  const dropped = new DroppedPins()
  dropped.add('a read pin of bytes 0-1', undefined)
  t.mock.timers.tick(1)
  dropped.add('a read pin of bytes 1-2', undefined)
  dropped.end()
  assert.deepEqual([told.length, /bytes 1-2/.test(told[1])], [2, true])
  dropped.end()
  t.mock.timers.tick(100_000)
  assert.equal(told.length, 2)
})

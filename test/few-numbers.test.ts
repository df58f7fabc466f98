/** A few numbers: places, and being used again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FewNumbers } from '../src/few-numbers.ts'

test('numbers have places in their order, and are gone when they are cleared', () => {
  const few = new FewNumbers()
  assert.deepEqual([few.add(7), few.add(0), few.add(9)], [0, 1, 2])
  assert.deepEqual([few.placeOf(9), few.placeOf(0), few.placeOf(8), few.size, few.at(1)], [2, 1, -1, 3, 0])
  few.clear()
  assert.deepEqual([few.size, few.placeOf(7)], [0, -1])
  assert.deepEqual([few.add(9), few.placeOf(9), few.placeOf(0)], [0, 0, -1])
})

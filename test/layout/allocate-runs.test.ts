import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryDevice } from '../../src/device/memory-device.ts'
import { allocateRuns } from '../../src/layout/allocate-runs.ts'
import type { BlockCount, DeviceBlock, Run } from '../../src/units.ts'

const run = (start: number, count: number): Run => ({ start: start as DeviceBlock, count: count as BlockCount })

test('promise 7: runs get space of the host all or none, so that a host which is full then has it for others', (t) => {
  const device = MemoryDevice.create(64 as BlockCount, { hostBlocks: 20 })
  t.after(() => device.close())
  allocateRuns(device, [run(0, 4), run(60, 4)])
  assert.equal(device.allocatedBlocks, 8)
  assert.throws(() => allocateRuns(device, [run(10, 4), run(20, 4), run(30, 8)]), { code: 'ENOSPC' })
  assert.equal(device.allocatedBlocks, 8)
  assert.ok(device.isAllocated(run(0, 4)) && device.isAllocated(run(60, 4)))
})

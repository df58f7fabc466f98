import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'

import { MemoryDevice } from '../../src/device/memory-device.ts'
import { blocks, deviceConformance, run } from './conformance.ts'

deviceConformance('MemoryDevice', (blockCount) => {
  const device = MemoryDevice.create(blockCount)
  return {
    device,
    openAgain: () => device.openAgain(),
    takenBlocks: () => device.allocatedBlocks,
    dispose: () => device.close(),
  }
})

test('a full host is ENOSPC and changes nothing; a discard makes room again', (t) => {
  const device = MemoryDevice.create(blocks(100), { hostBlocks: 10 })
  t.after(() => device.close())
  device.allocate(run(0, 8))
  assert.throws(() => device.allocate(run(6, 5)), { code: 'ENOSPC' })
  assert.equal(device.allocatedBlocks, 8)
  assert.equal(device.isAllocated(run(0, 8)), true)
  assert.equal(device.isAllocated(run(8, 1)), false)
  device.allocate(run(6, 4))
  assert.throws(() => device.allocate(run(50, 1)), { code: 'ENOSPC' })
  device.allocate(run(0, 10))
  device.discard(run(0, 1))
  device.allocate(run(50, 1))
  device.setHostBlocks(12)
  device.allocate(run(60, 2))
  assert.throws(() => device.allocate(run(62, 1)), { code: 'ENOSPC' })
})

test('the memory lives until the last opening is closed, and no descriptor is left', () => {
  const before = readdirSync('/proc/self/fd').length
  const first = MemoryDevice.create(blocks(4))
  const second = first.openAgain()
  first.allocate(run(0, 1))
  new Uint8Array(first.map(run(0, 1)))[0] = 8
  first.close()
  assert.equal(new Uint8Array(second.map(run(0, 1)))[0], 8)
  assert.equal(second.isAllocated(run(0, 1)), true)
  second.close()
  assert.equal(readdirSync('/proc/self/fd').length, before)
})

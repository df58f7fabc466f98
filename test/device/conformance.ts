/**
 * What every device must do (the invariants of `src/device/device.ts`), as a suite: give it a way to make a device and it
 * registers its tests. A device that other processes can open has a `path`.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'

import type { Device } from '../../src/device/device.ts'
import { BLOCK_SIZE, MAX_DEVICE_BLOCKS } from '../../src/units.ts'
import type { BlockCount, DeviceBlock, Run } from '../../src/units.ts'

export interface DeviceUnderTest {
  readonly device: Device
  /** Opens the same blocks a second time. */
  openAgain(): Device
  /** Blocks of the host that the device takes now. */
  takenBlocks(): number
  /** Where another process finds it. */
  readonly path?: string
  /** Closes the device and removes it. */
  dispose(): void
}

export type MakeDevice = (blockCount: BlockCount) => DeviceUnderTest

export const blocks = (count: number): BlockCount => count as BlockCount
export const run = (start: number, count: number): Run => ({ start: start as DeviceBlock, count: count as BlockCount })

const bytes = (device: Device, at: Run): Uint8Array => new Uint8Array(device.map(at))

/** Beyond 4 GiB, where 32 bits end. */
const FAR = 5 * 2 ** 18 + 3
/** 1 TiB. */
const HUGE = 2 ** 28

export function deviceConformance(name: string, makeDevice: MakeDevice): void {
  function made(t: TestContext, blockCount: number): DeviceUnderTest {
    const subject = makeDevice(blocks(blockCount))
    t.after(() => subject.dispose())
    return subject
  }

  describe(name, () => {
    test('a view spans exactly its run', (t) => {
      const { device } = made(t, 16)
      assert.equal(device.blockCount, 16)
      assert.equal(device.map(run(0, 1)).byteLength, BLOCK_SIZE)
      assert.equal(device.map(run(3, 13)).byteLength, 13 * BLOCK_SIZE)
    })

    test('two maps of a run show the same bytes', (t) => {
      const { device } = made(t, 16)
      device.allocate(run(2, 4))
      const [first, second] = [bytes(device, run(2, 4)), bytes(device, run(4, 2))]
      first[2 * BLOCK_SIZE + 7] = 42
      assert.equal(second[7], 42)
      second[BLOCK_SIZE] = 43
      assert.equal(first[3 * BLOCK_SIZE], 43)
    })

    test('a detached view leaves the bytes and the other views alone', (t) => {
      const { device } = made(t, 16)
      device.allocate(run(0, 1))
      const buffer = device.map(run(0, 1))
      new Uint8Array(buffer)[0] = 9
      const other = bytes(device, run(0, 1))
      buffer.transfer(0)
      assert.equal(buffer.byteLength, 0)
      assert.equal(other[0], 9)
    })

    test('two openings show the same bytes', (t) => {
      const { device, openAgain } = made(t, 16)
      const other = openAgain()
      t.after(() => other.close())
      device.allocate(run(1, 1))
      bytes(device, run(1, 1))[5] = 77
      assert.equal(bytes(other, run(1, 1))[5], 77)
      bytes(other, run(1, 1))[6] = 78
      assert.equal(bytes(device, run(1, 1))[6], 78)
    })

    test('another process sees the same bytes, and its own are seen', (t) => {
      const { device, path } = made(t, FAR + 16)
      if (path === undefined) return t.skip('no other process can open it')
      device.allocate(run(FAR, 1))
      const here = bytes(device, run(FAR, 1))
      here[0] = 11
      const script = [
        `import { FileDevice } from ${JSON.stringify(import.meta.resolve('../../src/device/file-device.ts'))}`,
        `const device = FileDevice.open(${JSON.stringify(path)}, ${FAR + 16})`,
        `const there = new Uint8Array(device.map({ start: ${FAR}, count: 1 }))`,
        'there[1] = there[0] + 1',
      ]
      execFileSync(process.execPath, ['--input-type=module', '--eval', script.join('\n')])
      assert.equal(here[1], 12)
    })

    test('a terabyte is made, mapped and used beyond 4 GiB, and takes no more than what is allocated', (t) => {
      const { device, takenBlocks } = made(t, HUGE)
      const before = takenBlocks()
      device.allocate(run(FAR, 8))
      device.allocate(run(HUGE - 8, 8))
      bytes(device, run(FAR, 8)).fill(1)
      bytes(device, run(HUGE - 8, 8)).fill(2)
      assert.equal(takenBlocks() - before, 16)
      // what a 32 bit offset would have hit
      assert.equal(bytes(device, run(FAR - 2 ** 20, 1))[0], 0)
      assert.equal(bytes(device, run(FAR, 8))[8 * BLOCK_SIZE - 1], 1)
      assert.equal(bytes(device, run(HUGE - 1, 1))[BLOCK_SIZE - 1], 2)
    })

    test('allocate takes the space of the host, once, and leaves contents alone', (t) => {
      const { device, takenBlocks } = made(t, 256)
      const before = takenBlocks()
      device.allocate(run(10, 20))
      assert.equal(takenBlocks() - before, 20)
      bytes(device, run(10, 20)).fill(5)
      device.allocate(run(10, 20))
      device.allocate(run(5, 30))
      assert.equal(takenBlocks() - before, 30)
      assert(bytes(device, run(10, 20)).every((byte) => byte === 5))
      assert.equal(bytes(device, run(5, 1))[0], 0)
    })

    test('a discarded run reads as zeros, in views taken before too, and the host has its space again', (t) => {
      const { device, takenBlocks } = made(t, 256)
      const before = takenBlocks()
      device.allocate(run(0, 64))
      const early = bytes(device, run(0, 64)).fill(0xff)
      device.discard(run(8, 16))
      assert.equal(takenBlocks() - before, 48)
      assert(bytes(device, run(8, 16)).every((byte) => byte === 0))
      assert.equal(early[8 * BLOCK_SIZE], 0)
      assert.equal(early[24 * BLOCK_SIZE - 1], 0)
      assert.equal(early[8 * BLOCK_SIZE - 1], 0xff)
      assert.equal(early[24 * BLOCK_SIZE], 0xff)
      device.discard(run(8, 16))
      device.discard(run(0, 64))
      assert.equal(takenBlocks(), before)
    })

    test('a block allocated again after a discard reads as zeros', async (t) => {
      const { device } = made(t, 16)
      device.allocate(run(0, 4))
      bytes(device, run(0, 4)).fill(0xee)
      await device.flush()
      device.discard(run(0, 4))
      await device.flush()
      device.allocate(run(0, 4))
      assert(bytes(device, run(0, 4)).every((byte) => byte === 0))
    })

    test('writing every second run takes no space for the holes between', async (t) => {
      const { device, takenBlocks } = made(t, 4096)
      const before = takenBlocks()
      for (let block = 0; block < 4096; block += 32) device.allocate(run(block, 16))
      for (let block = 0; block < 4096; block += 32) bytes(device, run(block, 16)).fill(1)
      await device.flush()
      const taken = takenBlocks() - before
      // the host's own index of so many extents may take a block or two
      assert(taken >= 2048 && taken < 2048 + 16, `${taken} blocks`)
    })

    test('flush and flushRun accept clean, dirty and unallocated runs', async (t) => {
      const { device } = made(t, 64)
      await device.flush()
      device.allocate(run(0, 8))
      bytes(device, run(0, 8)).fill(1)
      device.flushRun(run(0, 8))
      device.flushRun(run(7, 1))
      device.flushRun(run(32, 4))
      await Promise.all([device.flush(), device.flush()])
      assert.equal(bytes(device, run(7, 1))[0], 1)
    })

    test('it grows while views live, and they stay views of the same blocks', (t) => {
      const { device, openAgain } = made(t, 8)
      const other = openAgain()
      t.after(() => other.close())
      device.allocate(run(7, 1))
      const early = bytes(device, run(7, 1))
      early[0] = 1
      for (const blockCount of [9, 100, 65_537, HUGE + 1]) {
        device.grow(blocks(blockCount))
        assert.equal(device.blockCount, blockCount)
        device.allocate(run(blockCount - 1, 1))
        bytes(device, run(blockCount - 1, 1))[BLOCK_SIZE - 1] = 3
        assert.equal(bytes(device, run(7, 1))[0], early[0])
        early[0] = 1 + early[0]
      }
      assert.equal(other.blockCount, 8)
      assert.equal(bytes(other, run(HUGE, 1))[BLOCK_SIZE - 1], 3, 'the other opening has not been told')
      assert.throws(() => other.map(run(HUGE + 1, 1)), RangeError)
      assert.equal(bytes(other, run(7, 1))[0], 5)
    })

    test('growing to the same size or a smaller one, or less than another opening grew to, changes nothing', (t) => {
      const { device, openAgain } = made(t, 8)
      const other = openAgain()
      t.after(() => other.close())
      device.grow(blocks(16))
      device.allocate(run(15, 1))
      const last = bytes(device, run(15, 1))
      last[0] = 1
      device.grow(blocks(4))
      assert.equal(device.blockCount, 16)
      other.grow(blocks(12))
      assert.equal(other.blockCount, 12)
      assert.equal(last[0], 1)
      assert.equal(bytes(device, run(15, 1))[0], 1)
    })

    test('blocks outside the device are refused by every call', (t) => {
      const { device, takenBlocks } = made(t, 100)
      const before = takenBlocks()
      const outside = [
        ...[run(100, 1), run(99, 2), run(0, 101), run(-1, 1), run(0, 0), run(0, -1), run(0.5, 1), run(0, 1.5)],
        ...[run(NaN, 1), run(0, NaN), run(1, Infinity), run(2 ** 53, 1), run(1, Number.MAX_SAFE_INTEGER)],
      ]
      for (const at of outside) {
        for (const call of ['map', 'allocate', 'discard', 'flushRun'] as const) {
          const expected = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }
          assert.throws(() => device[call](at), expected, `${call} of ${at.start}, ${at.count}`)
        }
      }
      assert.equal(takenBlocks(), before)
    })

    test('a size that cannot be is refused', (t) => {
      const { device } = made(t, 8)
      for (const blockCount of [0, -1, 1.5, NaN, MAX_DEVICE_BLOCKS + 1]) {
        assert.throws(() => makeDevice(blocks(blockCount)), RangeError)
        assert.throws(() => device.grow(blocks(blockCount)), RangeError)
      }
      assert.equal(device.blockCount, 8)
    })

    test('a closed device refuses every call, and closing again does nothing', async (t) => {
      const { device } = made(t, 8)
      const running = device.flush()
      device.close()
      device.close()
      await running
      for (const call of ['map', 'allocate', 'discard', 'flushRun'] as const) {
        assert.throws(() => device[call](run(0, 1)), { name: 'AssertionError' })
      }
      await assert.rejects(device.flush(), { name: 'AssertionError' })
      assert.throws(() => device.grow(blocks(9)), { name: 'AssertionError' })
    })
  })
}

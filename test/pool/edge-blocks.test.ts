/** Cuts inside of blocks (issue 2: "the block at an unaligned edge"), with pins on the cut part, the live part and both. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { File, Pool } from '../../src/index.ts'
import { checkSound, stamped } from '../support/stamps.ts'
import { BLOCK, openedAgain, temporaryPool } from '../support/temporary-pool.ts'

const SIZE = 4 * BLOCK
const content = stamped(7, 4)

interface Cut {
  readonly start: number
  readonly end: number
  make(file: File, options: object): Promise<void>
}

const truncateTo = (length: number): Cut => ({
  start: length,
  end: SIZE,
  make: (file, options) => file.truncate(length, options),
})
const punch = (start: number, end: number): Cut => ({
  start,
  end: Math.min(end, SIZE),
  make: (file, options) => file.punchHole(start, end - start, options),
})

const CUTS: Record<string, Cut> = {
  'truncate inside of the second block': truncateTo(BLOCK + 1000),
  'truncate to the first byte of the second block': truncateTo(BLOCK + 1),
  'punch from the second block into the third': punch(BLOCK + 1000, 2 * BLOCK + 500),
  'punch inside of the second block': punch(BLOCK + 1000, BLOCK + 3000),
  'punch from inside of the second block to the end of the file': punch(BLOCK + 1000, SIZE),
  'punch from inside of the second block far beyond the end': punch(BLOCK + 1000, SIZE + 100 * BLOCK),
}

/** Pinned bytes of the second block, by where they lie. */
const PINS = {
  'the cut part only': (cut: Cut) => ({ offset: cut.start, length: Math.min(cut.end, 2 * BLOCK) - cut.start }),
  'the live part only': (cut: Cut) => ({ offset: BLOCK, length: cut.start - BLOCK }),
  both: () => ({ offset: BLOCK, length: BLOCK }),
}

/** What the file has to be after the cut. */
function after(cut: Cut, isTruncate: boolean): Buffer {
  const expected = Buffer.from(content)
  expected.fill(0, cut.start, cut.end)
  return isTruncate ? expected.subarray(0, cut.start) : expected
}

async function contentOf(pool: Pool): Promise<Buffer> {
  return pool.readFile('/file')
}

describe('edge blocks', () => {
  for (const [cutName, cut] of Object.entries(CUTS)) {
    const isTruncate = cutName.startsWith('truncate')

    test(`${cutName}, nothing pinned: the bytes are exact, and growing again reads zeros`, async (t) => {
      const pool = await temporaryPool(t)
      const elsewhere = await openedAgain(t, pool)
      await pool.writeFile('/file', content)
      assert.ok(content.equals(await contentOf(elsewhere)))
      await using file = await pool.open('/file', 'r+')
      await cut.make(file, {})
      assert.ok(after(cut, isTruncate).equals(await contentOf(pool)))
      assert.ok(after(cut, isTruncate).equals(await contentOf(elsewhere)))
      await file.truncate(SIZE + 100)
      const grown = Buffer.alloc(SIZE + 100)
      after(cut, isTruncate).copy(grown)
      assert.ok(grown.equals(await contentOf(elsewhere)))
      await checkSound(pool)
    })

    for (const [where, rangeOf] of Object.entries(PINS)) {
      for (const busy of ['fail', 'wait', 'sequester'] as const) {
        test(`${cutName}, ${where} pinned, ${busy}: all or nothing to the byte, and late data goes where it may`, async (t) => {
          const pool = await temporaryPool(t)
          const elsewhere = await openedAgain(t, pool)
          await pool.writeFile('/file', content)
          await using file = await elsewhere.open('/file', 'r+')
          await using own = await pool.open('/file', 'r+')
          const range = rangeOf(cut)
          const pin = await own.pin({ ...range, mode: 'write' })
          const pinned = content.subarray(range.offset, range.offset + range.length)
          const isCut = where !== 'the live part only'

          const done = cut.make(file, { busy, timeoutMs: 20 })
          if (isCut && busy !== 'sequester') {
            await assert.rejects(done, { code: busy === 'fail' ? 'EBUSY' : 'ETIMEDOUT' })
            assert.ok(content.equals(await contentOf(pool)))
            pin.release()
            await cut.make(file, { busy, timeoutMs: 20 })
            assert.ok(after(cut, isTruncate).equals(await contentOf(pool)))
            await checkSound(pool)
            return
          }
          await done
          const expected = after(cut, isTruncate)
          assert.ok(expected.equals(await contentOf(pool)), 'the file is as cut')
          assert.ok(pinned.equals(pin.buffer), 'the pinned bytes are as they were')
          pin.buffer.fill(0xdd)
          const [lost] = await pool.lostAndFound.list()
          if (isCut) {
            assert.ok(expected.equals(await contentOf(pool)), 'late data is not in the file')
            assert.ok(lost !== undefined && lost.holders.length === 1)
            const late = await pool.lostAndFound.read(lost.name)
            const at = range.offset - lost.offset
            assert.ok(
              late.subarray(at, at + range.length).every((byte) => byte === 0xdd),
              'it is in lost+found',
            )
          } else {
            assert.equal(lost, undefined)
            expected.fill(0xdd, range.offset, range.offset + range.length)
            assert.ok(expected.equals(await contentOf(pool)), 'I/O on live bytes goes on in the file')
          }
          await file.truncate(SIZE + BLOCK)
          const grown = Buffer.alloc(SIZE + BLOCK)
          expected.copy(grown)
          assert.ok(grown.equals(await contentOf(elsewhere)), 'growing again reads zeros')
          await checkSound(pool)
          pin.release()
          assert.ok(grown.equals(await contentOf(elsewhere)))
        })
      }
    }
  }

  test('unaligned punches go on in a pool that is full, however many (promise 7)', async (t) => {
    const pool = await temporaryPool(t, { sizeBytes: 1 << 20 })
    await using file = await pool.open('/file', 'w+')
    const { availableBytes } = await pool.stats()
    await file.allocate(0, availableBytes)
    await file.write(Buffer.alloc(availableBytes, 1), { position: 0 })
    await assert.rejects(pool.writeFile('/more', 'x'), { code: 'ENOSPC' })
    const expected = Buffer.alloc(availableBytes, 1)
    for (let block = 0; block + 2 < availableBytes / BLOCK; block += 3) {
      const start = block * BLOCK + 10
      await file.punchHole(start, BLOCK)
      expected.fill(0, start, start + BLOCK)
    }
    assert.ok(expected.equals(await pool.readFile('/file')))
    await checkSound(pool)
  })
})

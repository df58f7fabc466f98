import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  readTimeNs,
  readU64,
  writeBits64,
  writeTimeNs,
  writeU64,
  writeValidMs,
} from '../../../src/fuse/wire/integers.ts'
import { SEED } from '../../support/seed.ts'

const bytes = Buffer.alloc(24)

test('every time that 64 bits of nanoseconds hold is written as seconds and nanoseconds, exactly', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        // where a guess in floating point is off: around whole seconds
        fc
          .tuple(fc.bigInt({ min: -9_223_372_035n, max: 9_223_372_035n }), fc.bigInt({ min: -2n, max: 2n }))
          .map(([seconds, off]) => seconds * 1_000_000_000n + off),
      ),
      (ns) => {
        writeTimeNs(bytes, ns, 0, 8)
        const rest = bytes.readUInt32LE(8)
        assert.ok(rest < 1_000_000_000)
        assert.equal(bytes.readBigInt64LE(0) * 1_000_000_000n + BigInt(rest), ns)
        assert.equal(readTimeNs(bytes, 0, 8), ns)
      },
    ),
    { seed: SEED, numRuns: 2000 },
  )
})

test('safe integers are written and read', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (value) => {
      writeU64(bytes, value, 0)
      assert.equal(bytes.readBigUInt64LE(0), BigInt(value))
      assert.equal(readU64(bytes, 0), value)
    }),
    { seed: SEED },
  )
})

test('of a bigint the lower 64 bits are written', () => {
  writeBits64(bytes, -1n, 0)
  assert.equal(bytes.readBigUInt64LE(0), 2n ** 64n - 1n)
  writeBits64(bytes, 2n ** 64n + 5n, 0)
  assert.equal(bytes.readBigUInt64LE(0), 5n)
})

test('how long something is good is in seconds and nanoseconds', () => {
  writeValidMs(bytes, 2250, 0, 8)
  assert.deepEqual([bytes.readBigUInt64LE(0), bytes.readUInt32LE(8)], [2n, 250_000_000])
})

/**
 * The integers of the FUSE wire format: little endian, 64 bits in two halves.
 *
 * Sizes, offsets, inode numbers and handles are numbers. The kernel may send what no number holds (`pread` at 2^62, an
 * `lseek` to a negative offset, which arrives as nearly 2^64): such a one comes out above `Number.MAX_SAFE_INTEGER` and
 * inexact, and the operation refuses it as too large. Times are nanoseconds since 1970 in bigints, as everywhere here.
 */

const TWO_TO_32 = 0x1_0000_0000
const NS_PER_SECOND = 1_000_000_000
const NS_PER_SECOND_BIG = 1_000_000_000n
const LATEST_NS = 2n ** 63n - 1n
const EARLIEST_NS = -(2n ** 63n)

/** The halves of a bigint; one a thread, nothing here waits. */
const whole = new BigInt64Array(1)
const halves = new Uint32Array(whole.buffer)

/** An unsigned 64 bit integer; above 2^53 - 1 it is inexact. */
export const readU64 = (bytes: Buffer, at: number): number =>
  bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * TWO_TO_32

/** Writes a safe integer >= 0. */
export function writeU64(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32LE(value % TWO_TO_32, at)
  bytes.writeUInt32LE(Math.floor(value / TWO_TO_32), at + 4)
}

/** Writes the lower 64 bits of a bigint. Half the price of `writeBigUInt64LE`. */
export function writeBits64(bytes: Buffer, value: bigint, at: number): void {
  whole[0] = value
  bytes.writeUInt32LE(halves[0], at)
  bytes.writeUInt32LE(halves[1], at + 4)
}

/**
 * A time in nanoseconds from signed seconds at `secondsAt` and nanoseconds at `nanosecondsAt`. What 64 bits of nanoseconds
 * cannot hold (before 1677, after 2262) becomes the earliest or latest that they can, as Linux does with the limits of a
 * file system.
 */
export function readTimeNs(bytes: Buffer, secondsAt: number, nanosecondsAt: number): bigint {
  const ns = bytes.readBigInt64LE(secondsAt) * NS_PER_SECOND_BIG + BigInt(bytes.readUInt32LE(nanosecondsAt))
  return ns > LATEST_NS ? LATEST_NS : ns < EARLIEST_NS ? EARLIEST_NS : ns
}

/**
 * Writes a time as signed seconds and nanoseconds from 0 to 999,999,999. Without a division of bigints, which would cost
 * more than all the rest of a stat's reply: the seconds are a guess in floating point that is at most one off, and the
 * nanoseconds, taken modulo 2^32, tell.
 */
export function writeTimeNs(bytes: Buffer, ns: bigint, secondsAt: number, nanosecondsAt: number): void {
  whole[0] = ns
  const low = halves[0]
  const high = halves[1] | 0
  let seconds = Math.floor((high * TWO_TO_32 + low) / NS_PER_SECOND)
  let rest = (low - Math.imul(seconds | 0, NS_PER_SECOND)) | 0
  if (rest < 0) {
    seconds--
    rest += NS_PER_SECOND
  } else if (rest >= NS_PER_SECOND) {
    seconds++
    rest -= NS_PER_SECOND
  }
  bytes.writeUInt32LE(seconds >>> 0, secondsAt)
  bytes.writeInt32LE(Math.floor(seconds / TWO_TO_32), secondsAt + 4)
  bytes.writeUInt32LE(rest, nanosecondsAt)
}

/** How long the kernel may keep something: whole seconds and the rest in nanoseconds. `ms` >= 0. */
export function writeValidMs(bytes: Buffer, ms: number, secondsAt: number, nanosecondsAt: number): void {
  writeU64(bytes, Math.floor(ms / 1000), secondsAt)
  bytes.writeUInt32LE(Math.round((ms % 1000) * 1_000_000), nanosecondsAt)
}

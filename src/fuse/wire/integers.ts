/**
 * The integers of the FUSE wire format: little endian, 64 bits in two halves.
 *
 * Sizes, offsets, inode numbers and handles are numbers. The kernel may send what no number holds (`pread` at 2^62, an
 * `lseek` to a negative offset, which arrives as nearly 2^64): such a one comes out above `Number.MAX_SAFE_INTEGER` and
 * inexact, and the operation refuses it as too large. Times are nanoseconds since 1970 in bigints, as everywhere here.
 *
 * Not `writeUInt32LE` and its like: they check the value and where it goes, which for the thirty integers of one reply costs
 * more than all else that is done for it. Who calls these has the room.
 */

const TWO_TO_32 = 0x1_0000_0000
const NS_PER_SECOND = 1_000_000_000
const NS_PER_SECOND_BIG = 1_000_000_000n
const LATEST_NS = 2n ** 63n - 1n
const EARLIEST_NS = -(2n ** 63n)

/** The halves of a bigint; one a thread, nothing here waits. */
const whole = new BigInt64Array(1)
const halves = new Uint32Array(whole.buffer)

export const readU32 = (bytes: Uint8Array, at: number): number =>
  (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0

/** Writes the lower 32 bits of an integer. */
export function writeU32(bytes: Uint8Array, value: number, at: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
}

/** An unsigned 64 bit integer; above 2^53 - 1 it is inexact. */
export const readU64 = (bytes: Uint8Array, at: number): number =>
  readU32(bytes, at) + readU32(bytes, at + 4) * TWO_TO_32

/** Writes a safe integer >= 0. */
export function writeU64(bytes: Uint8Array, value: number, at: number): void {
  writeU32(bytes, value, at)
  writeU32(bytes, Math.floor(value / TWO_TO_32), at + 4)
}

/** Writes the lower 64 bits of a bigint. */
export function writeBits64(bytes: Uint8Array, value: bigint, at: number): void {
  whole[0] = value
  writeU32(bytes, halves[0], at)
  writeU32(bytes, halves[1], at + 4)
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
export function writeTimeNs(bytes: Uint8Array, ns: bigint, secondsAt: number, nanosecondsAt: number): void {
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
  writeU32(bytes, seconds, secondsAt)
  writeU32(bytes, Math.floor(seconds / TWO_TO_32), secondsAt + 4)
  writeU32(bytes, rest, nanosecondsAt)
}

/** How long the kernel may keep something: whole seconds and the rest in nanoseconds. `ms` >= 0. */
export function writeValidMs(bytes: Uint8Array, ms: number, secondsAt: number, nanosecondsAt: number): void {
  writeU64(bytes, Math.floor(ms / 1000), secondsAt)
  writeU32(bytes, Math.round((ms % 1000) * 1_000_000), nanosecondsAt)
}

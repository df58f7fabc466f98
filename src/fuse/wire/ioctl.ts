/** IOCTL: `fuse_ioctl_in`, `fuse_ioctl_out`. */
import { readU64 } from './integers.ts'

const IOCTL_IS_DIRECTORY = 1 << 4

export interface IoctlRequest {
  readonly handle: number
  /** The number of the request, with its direction and size as `_IOC()` packs them. */
  readonly command: number
  /** The argument itself, or its address in the caller. */
  readonly argument: number
  readonly outBytes: number
  readonly isDirectory: boolean
  /** What the caller passed in, as long as the command says. A view of the request. */
  readonly data: Buffer
}

const IOCTL_IN_BYTES = 32

export const readIoctl = (body: Buffer): IoctlRequest => ({
  handle: readU64(body, 0),
  isDirectory: (body.readUInt32LE(8) & IOCTL_IS_DIRECTORY) !== 0,
  command: body.readUInt32LE(12),
  argument: readU64(body, 16),
  outBytes: body.readUInt32LE(28),
  data: body.subarray(IOCTL_IN_BYTES, IOCTL_IN_BYTES + body.readUInt32LE(24)),
})

/** What stands before the bytes that go back to the caller: what ioctl(2) returns. */
export function encodeIoctl(result: number): Buffer {
  const bytes = Buffer.alloc(16)
  bytes.writeInt32LE(result, 0)
  return bytes
}

/** Extended attributes: SETXATTR, GETXATTR, LISTXATTR; REMOVEXATTR is a name alone (`readName`). */
import { readNameAt } from './names.ts'

export const XattrFlag = { create: 1, replace: 2 } as const
const SETXATTR_KILLS_SETGID = 1

export interface SetxattrRequest {
  readonly name: string
  /** A view of the request. */
  readonly value: Buffer
  /** Of setxattr(2). */
  readonly flags: number
  /** An ACL is set by somebody for whom that takes setgid off. */
  readonly killsSetgid: boolean
}

/** `isExtended`: whether `setxattrExtended` was negotiated, which makes the struct longer. */
export function readSetxattr(body: Buffer, isExtended: boolean): SetxattrRequest {
  const size = body.readUInt32LE(0)
  const nameAt = isExtended ? 16 : 8
  const valueAt = body.indexOf(0, nameAt) + 1
  return {
    name: readNameAt(body, nameAt),
    value: body.subarray(valueAt, valueAt + size),
    flags: body.readUInt32LE(4),
    killsSetgid: isExtended && (body.readUInt32LE(8) & SETXATTR_KILLS_SETGID) !== 0,
  }
}

/** GETXATTR: `size` 0 asks how large the value is (`encodeXattrSize`); larger than `size` is ERANGE. */
export const readGetxattr = (body: Buffer): { readonly size: number; readonly name: string } => ({
  size: body.readUInt32LE(0),
  name: readNameAt(body, 8),
})

/** LISTXATTR: the same, without a name. */
export const readListxattr = (body: Buffer): { readonly size: number } => ({ size: body.readUInt32LE(0) })

export function encodeXattrSize(sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt32LE(sizeBytes, 0)
  return bytes
}

/** Names as listxattr(2) gives them: each with its NUL. */
export const encodeXattrNames = (names: readonly string[]): Buffer =>
  Buffer.from(names.map((name) => `${name}\0`).join(''))

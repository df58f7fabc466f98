/**
 * Requests that carry names: LOOKUP, UNLINK, RMDIR, SYMLINK, MKNOD, MKDIR, LINK, RENAME, RENAME2, CREATE, TMPFILE.
 *
 * Names are bytes to Linux and text in a pool: one that is no UTF-8 is EILSEQ, as on other file systems of that kind.
 */
import { isUtf8 } from 'node:buffer'
import { systemError } from '../../errors.ts'
import { readU64 } from './integers.ts'

/** The text from `at` to the next NUL, and where the text after that begins. */
function textAt(body: Buffer, at: number): { text: string; next: number } {
  // Nearly all are short and ASCII, for which a search and a conversion each cost more than this.
  let isAscii = true
  let end = at
  for (; end < body.length && body[end] !== 0; end++) isAscii &&= body[end] < 0x80
  const text = isAscii ? body.toString('latin1', at, end) : textOf(body, at, end)
  return { text, next: end + 1 }
}

function textOf(body: Buffer, at: number, end: number): string {
  const text = body.toString('utf8', at, end)
  // What is no UTF-8 shows as U+FFFD, which may also be a character of the name.
  if (text.includes('\ufffd') && !isUtf8(body.subarray(at, end))) {
    throw systemError('EILSEQ', 'names in a pool are UTF-8, and this is none', { syscall: 'lookup', path: text })
  }
  return text
}

/** The one name that is the whole body: LOOKUP, UNLINK, RMDIR; and GETXATTR's friend REMOVEXATTR. */
export const readName = (body: Buffer): string => textAt(body, 0).text

/** A name at an offset of the body, up to its NUL: what follows a struct. */
export const readNameAt = (body: Buffer, at: number): string => textAt(body, at).text

/** SYMLINK: the name, then what it points to. */
export function readSymlink(body: Buffer): { readonly name: string; readonly target: string } {
  const { text: name, next } = textAt(body, 0)
  return { name, target: textAt(body, next).text }
}

export interface MakeRequest {
  readonly name: string
  /** Permission bits; of MKNOD with the type, already masked unless `dontMask` was negotiated. */
  readonly mode: number
  readonly umask: number
}

export const readMknod = (body: Buffer): MakeRequest & { readonly rdev: number } => ({
  mode: body.readUInt32LE(0),
  rdev: body.readUInt32LE(4),
  umask: body.readUInt32LE(8),
  name: readNameAt(body, 16),
})

export const readMkdir = (body: Buffer): MakeRequest => ({
  mode: body.readUInt32LE(0),
  umask: body.readUInt32LE(4),
  name: readNameAt(body, 8),
})

/** LINK: the header's node is the directory of the new name. */
export const readLink = (body: Buffer): { readonly nodeId: number; readonly name: string } => ({
  nodeId: readU64(body, 0),
  name: readNameAt(body, 8),
})

export interface RenameRequest {
  /** The directory that it goes to. */
  readonly newParent: number
  /** Of renameat2(2). */
  readonly flags: number
  readonly name: string
  readonly newName: string
}

export const RenameFlag = { noReplace: 1, exchange: 2, whiteout: 4 } as const

function renameOf(body: Buffer, namesAt: number, flags: number): RenameRequest {
  const { text: name, next } = textAt(body, namesAt)
  return { newParent: readU64(body, 0), flags, name, newName: textAt(body, next).text }
}

export const readRename = (body: Buffer): RenameRequest => renameOf(body, 8, 0)
export const readRename2 = (body: Buffer): RenameRequest => renameOf(body, 16, body.readUInt32LE(8))

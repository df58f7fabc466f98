/** Arguments as node:fs takes them. What is wrong throws at once, with the code that node:fs has for it. */
import { isUtf8 } from 'node:buffer'
import type { Mode, OpenMode, PathLike, TimeLike } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseFlags } from '../pool/open-flags.ts'
import { invalidValue, outOfRange, wrongType } from '../errors.ts'

/** A path of the pool. Without a leading '/' it is from the root: a pool has no working directory. */
export function pathOf(path: PathLike, name = 'path'): string {
  const text = textOf(path, name)
  if (text.includes('\0')) throw invalidValue(name, 'must be a string, Uint8Array, or URL without null bytes', text)
  return text
}

function textOf(path: PathLike, name: string): string {
  if (typeof path === 'string') return path
  if (path instanceof URL) return fileURLToPath(path)
  if (!(path instanceof Uint8Array)) throw wrongType(name, 'of type string or an instance of Buffer or URL', path)
  if (!isUtf8(path)) throw invalidValue(name, 'must be UTF-8: names in a pool are text', path)
  return Buffer.from(path.buffer, path.byteOffset, path.byteLength).toString()
}

/** As `ArrayBuffer.isView`, in the types of node:fs. */
export const isView = (value: unknown): value is NodeJS.ArrayBufferView => ArrayBuffer.isView(value)

/** Permission bits: a number, or octal digits. Without `standard` they must be said. */
export function modeOf(mode: Mode | null | undefined, standard?: number, name = 'mode'): number {
  if ((mode === undefined || mode === null) && standard !== undefined) return standard
  if (typeof mode === 'string') {
    if (!/^[0-7]+$/.test(mode)) throw invalidValue(name, 'must be a 32-bit unsigned integer or an octal string', mode)
    return integer(name, Number.parseInt(mode, 8), 0, 0xffff_ffff) & 0o7777
  }
  return integer(name, mode, 0, 0xffff_ffff) & 0o7777
}

/** Flags for `open`. */
export function flagsOf(flags: OpenMode | null | undefined): string | number {
  if (flags === undefined || flags === null) return 'r'
  if (typeof flags === 'number') return integer('flags', flags, -0x8000_0000, 0x7fff_ffff)
  parseFlags(flags)
  return flags
}

export function integer(name: string, value: unknown, least: number, most: number = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number') throw wrongType(name, 'of type number', value)
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value)
  if (value < least || value > most) throw outOfRange(name, `>= ${least} && <= ${most}`, value)
  return value
}

/** An owner or a group; -1 leaves it as it is. */
export const idOf = (name: 'uid' | 'gid', id: number): number => integer(name, id, -1, 0xffff_ffff)

export function boolean(name: string, value: unknown, standard = false): boolean {
  if (value === undefined) return standard
  if (typeof value !== 'boolean') throw wrongType(name, 'of type boolean', value)
  return value
}

export function mustBeFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw wrongType(name, 'of type function', value)
}

/** Seconds, as the pool takes them. A number below 0 is now, as in node:fs; a Date or a string may be before 1970. */
export function timeOf(name: string, time: TimeLike): number | string | Date {
  if (typeof time === 'number' && time < 0) return Date.now() / 1000
  if (typeof time === 'number' || typeof time === 'string' || time instanceof Date) return time
  throw wrongType(name, 'a number of seconds, a numeric string or a Date', time)
}

/** `{ encoding, … }`, or the encoding alone; null and undefined: nothing was said. */
export function optionsOf<T extends { encoding?: unknown }>(options: unknown): T {
  if (options === undefined || options === null || typeof options === 'function') return {} as T
  const given = typeof options === 'string' ? { encoding: options } : options
  if (typeof given !== 'object') throw wrongType('options', 'of type string or an instance of Object', options)
  const { encoding } = given as { encoding?: unknown }
  if (encoding !== undefined && encoding !== null && encoding !== 'buffer' && !isEncoding(encoding))
    throw invalidValue('encoding', 'is invalid encoding', encoding)
  return given as T
}

const isEncoding = (value: unknown): boolean => typeof value === 'string' && Buffer.isEncoding(value)

/** `null` and 'buffer' are no encoding of text. */
export const encodingOf = ({ encoding }: { encoding?: unknown }): BufferEncoding | undefined =>
  typeof encoding === 'string' && encoding !== 'buffer' ? (encoding as BufferEncoding) : undefined

/** A name or path in the encoding that was asked for; without one as it is. */
export function encoded(text: string, { encoding }: { encoding?: unknown }): string {
  if (encoding === undefined || encoding === null || encoding === 'utf8' || encoding === 'utf-8') return text
  const bytes = Buffer.from(text)
  // Declared as text, since what a caller gets depends on what it asks for; the public types say which.
  return encoding === 'buffer' ? (bytes as unknown as string) : bytes.toString(encoding as BufferEncoding)
}

export function signalOf({ signal }: { signal?: unknown }): AbortSignal | undefined {
  if (signal === undefined || signal instanceof AbortSignal) return signal
  throw wrongType('options.signal', 'an instance of AbortSignal', signal)
}

/** What `read` and `write` take: their many forms, made one. What is wrong throws at once. */
import type { ReadPosition } from 'node:fs'
import { invalidValue, outOfRange, wrongType } from '../errors.ts'
import { integer, isView } from './arguments.ts'

/** A part of a buffer, and where in the file; `position` null: where the descriptor is. */
export interface Transfer<T extends NodeJS.ArrayBufferView> {
  readonly buffer: T
  readonly offset: number
  readonly length: number
  readonly position: number | null
}

interface Where {
  offset?: number | null | undefined
  length?: number | null | undefined
  position?: ReadPosition | null | undefined
}

const STANDARD_READ_BYTES = 16_384

/** `(buffer, offset, length, position)`, `(buffer, { … })` or `({ buffer, … })`. */
export function readTransfer(
  first: unknown,
  second?: number | Where | null,
  length?: number | null,
  position?: ReadPosition | null,
): Transfer<NodeJS.ArrayBufferView> {
  const isOptions = first === undefined || first === null || !isView(first)
  if (isOptions && first !== undefined && first !== null && (typeof first !== 'object' || Array.isArray(first)))
    throw wrongType('buffer', 'an instance of Buffer, TypedArray, or DataView', first)
  const options: (Where & { buffer?: unknown }) | undefined = isOptions
    ? (first ?? {})
    : typeof second === 'object' && second !== null
      ? second
      : undefined
  const buffer = isOptions ? (options?.buffer ?? Buffer.alloc(STANDARD_READ_BYTES)) : first
  if (!isView(buffer)) throw wrongType('buffer', 'an instance of Buffer, TypedArray, or DataView', buffer)
  const where = options ?? { offset: second as number | null | undefined, length, position }
  const offset = where.offset === undefined || where.offset === null ? 0 : integer('offset', where.offset, 0)
  const rest = buffer.byteLength - offset
  const wanted = where.length === undefined || where.length === null ? rest : Math.trunc(where.length)
  // Nothing to read asks nobody, whatever else is said.
  if (wanted === 0) return { buffer, offset: 0, length: 0, position: null }
  if (buffer.byteLength === 0) throw invalidValue('buffer', 'is empty and cannot be written', buffer)
  if (wanted < 0) throw outOfRange('length', '>= 0', wanted)
  if (wanted > rest) throw outOfRange('length', `<= ${rest}`, wanted)
  return { buffer, offset, length: wanted, position: positionOf(where.position) }
}

/** -1, null and nothing: where the descriptor is. */
function positionOf(position: ReadPosition | null | undefined): number | null {
  if (position === undefined || position === null) return null
  if (typeof position === 'bigint') {
    if (position < -1n || position > BigInt(Number.MAX_SAFE_INTEGER))
      throw outOfRange('position', '>= -1 && <= 2 ** 53 - 1', position)
  } else {
    integer('position', position, -1)
  }
  return Number(position) === -1 ? null : Number(position)
}

/** Where node:fs takes what is no number for "where the descriptor is". */
export const placeOf = (position: unknown): number | null =>
  typeof position === 'number' && position >= 0 ? integer('position', position, 0) : null

/** `(buffer, offset, length, position)`, `(buffer, { … })` or `(text, position, encoding)`. null for options is none, as in node:fs. */
export function writeTransfer(
  data: unknown,
  second?: unknown,
  third?: unknown,
  position?: unknown,
): Transfer<NodeJS.ArrayBufferView> {
  if (typeof data === 'string') {
    const buffer = Buffer.from(data, encodingOr(third, data))
    return { buffer, offset: 0, length: buffer.byteLength, position: placeOf(second) }
  }
  if (!isView(data)) throw wrongType('buffer', 'of type string or an instance of Buffer, TypedArray, or DataView', data)
  const where = (typeof second === 'object' ? (second ?? {}) : { offset: second, length: third, position }) as Record<
    keyof Where,
    unknown
  >
  if (data.byteLength === 0) return { buffer: data, offset: 0, length: 0, position: null }
  const offset = where.offset === undefined || where.offset === null ? 0 : integer('offset', where.offset, 0)
  const rest = data.byteLength - offset
  if (rest < 0) throw outOfRange('offset', `<= ${data.byteLength}`, offset)
  const length = typeof where.length === 'number' ? integer('length', where.length, 0) : rest
  if (length > rest) throw outOfRange('length', `<= ${rest}`, length)
  return { buffer: data, offset, length, position: placeOf(where.position) }
}

/** An encoding that is none is UTF-8, as in node:fs; hex must have whole bytes. */
function encodingOr(encoding: unknown, data: string): BufferEncoding {
  if (typeof encoding !== 'string' || !Buffer.isEncoding(encoding)) return 'utf8'
  if (encoding.toLowerCase() === 'hex' && data.length % 2 !== 0)
    throw invalidValue('encoding', `is invalid for data of length ${data.length}`, encoding)
  return encoding
}

/** What `readv` and `writev` take. */
export function viewsOf<T extends readonly NodeJS.ArrayBufferView[]>(buffers: T): T {
  if (!Array.isArray(buffers) || !buffers.every((each) => isView(each)))
    throw wrongType('buffers', 'an instance of ArrayBufferView[]', buffers)
  return buffers
}

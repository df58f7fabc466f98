/**
 * Errors in the shape of Node's system errors: `code`, `errno`, `syscall`, `path`; an `EBUSY`, `ETIMEDOUT` or `ETXTBSY`
 * also carries `holders`. Codes are API, messages are not. A caller's mistake of type or range is a TypeError or
 * RangeError with a Node-style `code` (`ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`); our own mistake is an assertion.
 */
import { constants } from 'node:os'
import { inspect } from 'node:util'

/** Who keeps blocks from going away. Plain JSON. Sizes in bytes, times in milliseconds. */
export interface Holder {
  /** Process id, as seen in the holder's own pid namespace. */
  pid: number
  /** Thread id as in `node:worker_threads`: 0 is the main thread. */
  threadId: number
  /** Slot of the pin table. */
  slot: number
  /** The holder's command line, when it can be read; else ''. */
  command: string
  /** What it holds. */
  kind: 'pin' | 'copy' | 'lease' | 'transaction' | 'reclaim' | 'change' | 'open'
  mode?: 'read' | 'write'
  /** Of a pin: taken with `stable`, with `longTerm`. */
  isStable?: boolean
  isLongTerm?: boolean
  inode?: number
  /** The file's path when it is known. */
  path?: string
  offset?: number
  length?: number
  /** How long it has been held. */
  ageMs?: number
  /**
   * Bytes of blocks that have left their file and can't be used again before this holder lets go: of a pin its blocks in
   * busy extents and lost+found, of an open file without a name all of its blocks. Holders who share a block all count
   * it. In `pool.pins()`, `pool.why()` and ENOSPC, when there are any.
   */
  heldBackBytes?: number
  /**
   * Of a lease; in `pool.pins()` and `pool.why()` also of a long-term pin whose holder has one on its range.
   */
  lease?: 'held' | 'recalled' | 'revoked'
  /** Of a layout change: it waits to be told of releases; waits, and new pins of the range queue; is about to be done; its process died. */
  state?: 'watching' | 'waiting' | 'committing' | 'abandoned'
  /** Of a layout change that recalls leases. */
  cause?: 'truncate' | 'punch' | 'zero' | 'collapse' | 'insert'
  /** Of a lease. */
  isExclusive?: boolean
  isRevoked?: boolean
  /** Where the pin was taken; only in debug mode and in the holder's own process. */
  takenAt?: string
}

export interface SystemErrorDetail {
  syscall: string
  path?: string | undefined
  dest?: string | undefined
  holders?: Holder[] | undefined
  cause?: unknown
}

/** An error of the file system. `message` says what happened, to what, and what to do. */
export interface HoldfastError extends NodeJS.ErrnoException {
  code: string
  errno: number
  syscall: string
  dest?: string
  holders?: Holder[]
}

const numbers: Readonly<Record<string, number>> = { ...constants.errno, EUCLEAN: 117, ESTALE: 116 }

/** Makes an error `CODE: explanation, syscall 'path'`. `code` must be a name of errno(3). */
export function systemError(code: string, explanation: string, detail: SystemErrorDetail): HoldfastError {
  const subject = detail.path === undefined ? '' : ` '${detail.path}'`
  const target = detail.dest === undefined ? '' : ` -> '${detail.dest}'`
  const message = `${code}: ${explanation}, ${detail.syscall}${subject}${target}`
  const error = new Error(message, detail.cause === undefined ? undefined : { cause: detail.cause }) as HoldfastError
  error.code = code
  error.errno = -(numbers[code] ?? 0)
  error.syscall = detail.syscall
  if (detail.path !== undefined) error.path = detail.path
  if (detail.dest !== undefined) error.dest = detail.dest
  if (detail.holders !== undefined) error.holders = detail.holders
  return error
}

/** What would change a pool that is open for reading only. */
export const openForReading = (syscall: string, path?: string): HoldfastError =>
  systemError('EROFS', 'the pool is open for reading only; open it without { readOnly: true } to change it', {
    syscall,
    path,
  })

/** What the participants of a pool tell each other of failed syncs: the pin table has a word for it. */
export interface SyncGuard {
  /** A flush of the device or a sync of the log has failed, in any process, since the pool was opened afresh. */
  hasSyncFailed(): boolean
  onSyncFailed(): void
}

const SYNCS: readonly unknown[] = ['fsync', 'fdatasync', 'msync']

/** A sync that was begun and failed: something may be lost. One that could not begin (EMFILE …) loses nothing. */
export const isOfSync = (error: unknown): boolean =>
  error instanceof Error && 'syscall' in error && SYNCS.includes(error.syscall)

/** What comes after a failed sync, until everybody has closed the pool. */
export const syncHasFailed = (syscall: string, path: string, cause?: unknown): HoldfastError =>
  systemError(
    'EIO',
    'an earlier sync failed, here or in another process, and what was not synced before may be lost; see to the disk, have every process close the pool, and open it again',
    { syscall, path, cause },
  )

/** Nothing is done any more: names were changed, and those changes could not be stored. */
export const changesAreLost = (syscall: string, path: string, cause: unknown): HoldfastError =>
  systemError(
    'EIO',
    'the last changes of names and attributes could not be stored and are lost; see to the disk, unmount or close the pool, and open it again',
    { syscall, path, cause },
  )

/** A number outside of what the call can take. */
export function outOfRange(name: string, expected: string, got: unknown): RangeError {
  const error = new RangeError(
    `The value of "${name}" is out of range. It must be ${expected}. Received ${String(got)}`,
  )
  return Object.assign(error, { code: 'ERR_OUT_OF_RANGE' })
}

/** An argument of the wrong type. */
export function wrongType(name: string, expected: string, got: unknown): TypeError {
  const shown =
    got === null
      ? 'null'
      : typeof got === 'object'
        ? (got.constructor?.name ?? 'object')
        : `type ${typeof got} (${inspect(got)})`
  const isProperty = name.includes('.')
  const error = new TypeError(
    `The "${name}" ${isProperty ? 'property' : 'argument'} must be ${expected}. Received ${shown}`,
  )
  return Object.assign(error, { code: 'ERR_INVALID_ARG_TYPE' })
}

/** An argument of the right type whose value makes no sense. */
export function invalidValue(name: string, expected: string, got: unknown): TypeError {
  const error = new TypeError(
    `The argument '${name}' ${expected}. Received ${typeof got === 'string' ? `'${got}'` : String(got)}`,
  )
  return Object.assign(error, { code: 'ERR_INVALID_ARG_VALUE' })
}

/** Checks a byte offset or length: an integer from 0 to 2^53 - 1. */
export function checkBytes(name: string, value: unknown): number {
  if (typeof value !== 'number') throw wrongType(name, 'of type number', value)
  if (!Number.isSafeInteger(value) || value < 0) throw outOfRange(name, 'an integer >= 0 and <= 2^53 - 1', value)
  return value
}

/** Checks a choice of words. */
export function checkChoice<T extends string>(name: string, value: unknown, choices: readonly T[]): T {
  if (choices.includes(value as T)) return value as T
  throw invalidValue(name, `must be one of: ${choices.map((c) => `'${c}'`).join(', ')}`, value)
}

export const codeOf = (error: unknown): string | undefined =>
  typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : undefined

/** Runs a store's operation; a system error of it gets the caller's words: syscall and path. */
export async function named<T>(syscall: string, path: string, operation: () => Promise<T>, dest?: string): Promise<T> {
  try {
    return await operation()
  } catch (error) {
    if (!isSystemError(error)) throw error
    // The store knows names at most; an error with a path of its own is about something else, such as its own file.
    if ('path' in error && String(error.path).includes('/')) throw error
    throw retold(error, { syscall, path, dest })
  }
}

export const isSystemError = (error: unknown): error is HoldfastError => error instanceof Error && 'syscall' in error

/** The same error, said to be of another call: `path` and `dest` are what the new words have, or none. */
export function retold(error: HoldfastError, { syscall, path, dest }: SystemErrorDetail): HoldfastError {
  const end = error.message.lastIndexOf(`, ${error.syscall}`)
  const what = end < 0 ? error.message : error.message.slice(0, end)
  const subject = path === undefined ? '' : ` '${path}'`
  const target = dest === undefined ? '' : ` -> '${dest}'`
  error.message = `${what}, ${syscall}${subject}${target}`
  error.syscall = syscall
  if (path === undefined) delete error.path
  else error.path = path
  if (dest === undefined) delete error.dest
  else error.dest = dest
  return error
}

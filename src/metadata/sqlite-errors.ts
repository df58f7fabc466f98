/**
 * SQLite's errors in the words of errno(3). No raw SQLite error leaves src/metadata: what SQLite says goes into
 * `cause`, what it means for the pool into `code`.
 */
import { systemError } from '../errors.ts'
import type { HoldfastError } from '../errors.ts'

/** Primary result codes of SQLite; the extended ones carry them in their low byte. */
const BUSY = 5
const READONLY = 8
const IOERR = 10
const CORRUPT = 11
const FULL = 13
const CANTOPEN = 14
const PROTOCOL = 15
const CONSTRAINT = 19
const NOTADB = 26
/** Growing meta.db-shm failed: the host had no room for it. */
const IOERR_SHMSIZE = IOERR | (19 << 8)
/** Who only reads cannot recover the log, and whoever can is about to. */
const READONLY_RECOVERY = READONLY | (1 << 8)
const READONLY_CANTINIT = READONLY | (5 << 8)
/** A sync that SQLite itself did, in a checkpoint or when the log starts anew, failed. */
const IOERR_FSYNC = IOERR | (4 << 8)

interface SqliteError extends Error {
  code: 'ERR_SQLITE_ERROR'
  errcode: number
  errstr: string
}

export const isSqliteError = (error: unknown): error is SqliteError =>
  error instanceof Error && 'code' in error && error.code === 'ERR_SQLITE_ERROR' && 'errcode' in error

/** Somebody else has the lock (also while a crashed pool's log is recovered): try again. */
export const isBusy = (error: unknown): boolean =>
  isSqliteError(error) &&
  ((error.errcode & 0xff) === BUSY ||
    (error.errcode & 0xff) === PROTOCOL ||
    error.errcode === READONLY_RECOVERY ||
    error.errcode === READONLY_CANTINIT)

/** The log or its index is not there, and cannot be made by who only reads. */
export const isWithoutLog = (error: unknown): boolean =>
  isSqliteError(error) && ((error.errcode & 0xff) === CANTOPEN || (error.errcode & 0xff) === READONLY)

/** SQLite honours a version for writing, in the header, that it does not know. */
export const HEADER_FORBIDS = 'the header of the metadata says that it cannot be written'

export const isReadOnly = (error: unknown): boolean => isSqliteError(error) && error.errcode === READONLY

/** The host has no room for the log. */
export const isFull = (error: unknown): boolean =>
  isSqliteError(error) && ((error.errcode & 0xff) === FULL || error.errcode === IOERR_SHMSIZE)

export const isFailedSync = (error: unknown): boolean => isSqliteError(error) && error.errcode === IOERR_FSYNC

/** A number of the store that no number of JavaScript can hold: none of ours is that large. */
export const isUnrepresentable = (error: unknown): boolean =>
  error instanceof RangeError && /too large to be represented as a JavaScript number/.test(error.message)

/** What to throw for `error`: a SQLite error as a system error, any other as it is. */
export function translated(error: unknown, syscall: string, path: string): unknown {
  if (isUnrepresentable(error))
    return systemError('EUCLEAN', 'the metadata is damaged: a number is too large; run fsck', {
      syscall,
      path,
      cause: error,
    })
  if (!isSqliteError(error)) return error
  const detail = { syscall, path, cause: error }
  const said = `SQLite says "${error.message}" (${error.errcode})`
  if (isFull(error)) return systemError('ENOSPC', `the host has no space left for the metadata; ${said}`, detail)
  const meanings: Readonly<Record<number, readonly [code: string, explanation: string]>> = {
    [BUSY]: ['EBUSY', 'the metadata is in use'],
    [PROTOCOL]: ['EBUSY', 'the metadata is in use'],
    [READONLY]: ['EROFS', 'the metadata cannot be written'],
    [IOERR]: ['EIO', 'the host failed to read or write the metadata'],
    [CORRUPT]: ['EUCLEAN', 'the metadata is damaged; run fsck'],
    [CANTOPEN]: ['EACCES', 'the metadata cannot be opened'],
    [CONSTRAINT]: ['EUCLEAN', 'the metadata contradicts itself; run fsck'],
    [NOTADB]: ['EUCLEAN', 'this is not the metadata of a pool'],
  }
  const [code, explanation] = meanings[error.errcode & 0xff] ?? ['EIO', 'the metadata could not be used']
  return systemError(code, `${explanation}; ${said}`, detail) satisfies HoldfastError
}

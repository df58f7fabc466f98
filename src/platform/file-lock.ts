/**
 * Open-file-description locks on single bytes of a file: fcntl(2), F_OFD_SETLK and F_OFD_GETLK.
 *
 * They belong to the open file description, so the kernel drops them when its last descriptor is closed: by close, by
 * exit, by kill -9, and, for descriptors opened through node:fs, by the end of the worker thread that opened them. Unlike
 * POSIX locks they hold between threads and are not lost when the process closes another descriptor of the file.
 *
 * Nothing here waits. A byte need not exist in the file. Callers: the pin table (who is alive), the pool.
 */
import assert from 'node:assert/strict'
import { constants } from 'node:os'

import { systemError } from '../errors.ts'
import type { HoldfastError } from '../errors.ts'
import { callFailed, lastErrno, libc, retryInterrupted } from './libc.ts'

const F_OFD_GETLK = 36
const F_OFD_SETLK = 37
const F_RDLCK = 0
const F_WRLCK = 1
const F_UNLCK = 2

/** struct flock with 64 bit offsets: i16 type, i16 whence, i64 start at 8, i64 length at 16, i32 pid at 24. */
const request = Buffer.alloc(32)

function call(fd: number, command: number, type: number, byte: number, length = 1): number {
  assert(Number.isSafeInteger(byte) && byte >= 0, 'a lock is on a byte of the file')
  request.fill(0)
  request.writeInt16LE(type, 0)
  request.writeBigInt64LE(BigInt(byte), 8)
  request.writeBigInt64LE(BigInt(length), 16)
  return retryInterrupted(() => libc().fcntl(fd, command, request))
}

function refused(): HoldfastError {
  switch (lastErrno()) {
    case constants.errno.ENOLCK:
    case constants.errno.EINVAL:
    case constants.errno.ENOSYS:
    case constants.errno.EOPNOTSUPP: {
      const explanation =
        'the file system has no working open-file-description locks; put the pool on a local ext4, XFS, btrfs or tmpfs'
      return systemError('ENOLCK', explanation, { syscall: 'fcntl' })
    }
    default:
      return callFailed('a byte of a file could not be locked', { syscall: 'fcntl' })
  }
}

/**
 * Takes or converts the lock and answers true, or false when another description holds one that conflicts. An exclusive
 * one needs a descriptor that can write, a shared one a descriptor that can read. 1 µs.
 */
export function tryLock(fd: number, byte: number, kind: 'exclusive' | 'shared'): boolean {
  if (call(fd, F_OFD_SETLK, kind === 'exclusive' ? F_WRLCK : F_RDLCK, byte) === 0) return true
  const error = lastErrno()
  if (error === constants.errno.EAGAIN || error === constants.errno.EACCES) return false
  throw refused()
}

/** Gives this description's lock on the byte back; without one it does nothing. */
export function unlock(fd: number, byte: number): void {
  if (call(fd, F_OFD_SETLK, F_UNLCK, byte) === -1) throw refused()
}

/** Whether *another* description holds a lock on the byte, shared or exclusive; the own one does not count. 1 µs. */
export function isLocked(fd: number, byte: number): boolean {
  if (call(fd, F_OFD_GETLK, F_WRLCK, byte) === -1) throw refused()
  return request.readInt16LE(0) !== F_UNLCK
}

/** Whether another description holds a lock on any of `length` bytes. 1 µs, however many they are. */
export function isAnyLocked(fd: number, byte: number, length: number): boolean {
  if (call(fd, F_OFD_GETLK, F_WRLCK, byte, length) === -1) throw refused()
  return request.readInt16LE(0) !== F_UNLCK
}

/**
 * Waiting for descriptors while the thread has nothing else to do: poll(2).
 *
 * It blocks the thread, and with it the event loop. So among what is waited for are the descriptors on which the event
 * loops of this process would wait themselves: the caller then knows that it is time to give the loop a turn. Only
 * timers are not seen; the caller's timeout is how late they may be.
 *
 * Callers: the loop of a mount.
 */
import assert from 'node:assert/strict'
import { readdirSync, readlinkSync } from 'node:fs'
import { constants } from 'node:os'

import { codeOf } from '../errors.ts'
import { callFailed, lastErrno, libc } from './libc.ts'

const POLLIN = 1
/** struct pollfd: i32 fd, i16 events at 4, i16 revents at 6. */
const POLLFD_BYTES = 8
const REVENTS_AT = 6

/**
 * The epoll descriptors of this process: those of libuv's loops, which are ready when a socket, a child, a signal or a
 * thread of the pool has something for JavaScript. Those of other threads are among them, and are emptied by these.
 */
export function eventLoopDescriptors(): number[] {
  return readdirSync('/proc/self/fd')
    .filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`) === 'anon_inode:[eventpoll]'
      } catch (error) {
        // the descriptor of the directory that is being read is gone by now
        if (codeOf(error) === 'ENOENT') return false
        throw error
      }
    })
    .map(Number)
}

/** What may become readable, by its place in the list given at first. */
export class ReadablePoll {
  readonly #descriptors: Buffer
  readonly #count: number

  constructor(fds: readonly number[]) {
    this.#count = fds.length
    this.#descriptors = Buffer.alloc(fds.length * POLLFD_BYTES)
    for (const [index, fd] of fds.entries()) {
      assert(Number.isSafeInteger(fd) && fd >= 0, 'a descriptor is a number')
      this.#descriptors.writeInt32LE(fd, index * POLLFD_BYTES)
      this.#descriptors.writeInt16LE(POLLIN, index * POLLFD_BYTES + 4)
    }
  }

  /**
   * Waits until one is readable, has failed or was hung up, until a signal comes (as if the time were up), or for so many
   * milliseconds. Answers how many. 0.3 µs when one is.
   */
  wait(timeoutMs: number): number {
    const ready = libc().poll(this.#descriptors, this.#count, timeoutMs)
    if (ready !== -1) return ready
    if (lastErrno() !== constants.errno.EINTR) throw callFailed('waiting for descriptors failed', { syscall: 'poll' })
    for (let index = 0; index < this.#count; index++)
      this.#descriptors.writeInt16LE(0, index * POLLFD_BYTES + REVENTS_AT)
    return 0
  }

  /** Whether this one was, at the last wait. */
  isReady(index: number): boolean {
    return this.#descriptors.readInt16LE(index * POLLFD_BYTES + REVENTS_AT) !== 0
  }
}

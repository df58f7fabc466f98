/**
 * Doorbells: how one process or thread wakes another. A doorbell is a named pipe. Whoever waits has it open for reading,
 * whoever has news writes one byte, and epoll runs the callback. No thread waits anywhere.
 *
 * A ring says "look again" and nothing more. Rings melt into one another, and one may come for nothing: so publish first
 * and ring after, and on a ring read the shared state anew.
 *
 * Invariants
 *   1. A ring that began after `Doorbell` was constructed and before it was closed leads to a callback, if one was set in
 *      the turn of the event loop in which it was constructed.
 *   2. Ringing never blocks and never fails because of the receiver: one that does not read has a full pipe and will
 *      read; one that is dead has no reader, and `ring` answers false.
 *
 * Callers: the layout's waiting, through the surroundings it is given.
 */
import assert from 'node:assert/strict'
import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'

import { codeOf, systemError } from '../errors.ts'
import { callFailed, libc } from './libc.ts'

const { O_NOFOLLOW, O_NONBLOCK, O_RDWR, O_WRONLY } = constants
/** Not among Node.js's constants; the same number on x64 and arm64. */
const O_CLOEXEC = 0o2_000_000

/** Rings read at once; more are read by the next turn of libuv's own loop, without a callback lost. */
const READ_BYTES = 512
const one = Buffer.of(1)

function notFifo(path: string): Error {
  return systemError(
    'EUCLEAN',
    'a doorbell must be a named pipe and this is something else; the pool was tampered with',
    {
      syscall: 'open',
      path,
    },
  )
}

/** The receiving side. Does not keep the process alive until `ref()`. */
export class Doorbell {
  readonly path: string
  readonly #socket: Socket
  #callback: (() => void) | undefined

  /** Opens an existing named pipe (see `makeFifo`). Throws ENOENT, EACCES, EUCLEAN. */
  constructor(path: string) {
    assert(!path.includes('\0'), 'a path has no NUL')
    this.path = path
    // O_RDWR: the own write end keeps the pipe from ending when the last ringer leaves.
    // Through libc, not node:fs: in a worker, node:fs remembers the descriptor as its own and closes that *number*
    // again when the worker ends, long after the socket closed it and another thread got it.
    const fd = libc().open(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC)
    if (fd === -1) throw callFailed('a doorbell could not be opened', { syscall: 'open', path })
    if (!fstatSync(fd).isFIFO()) {
      closeSync(fd)
      throw notFifo(path)
    }
    const onread = {
      buffer: Buffer.alloc(READ_BYTES),
      callback: (): boolean => {
        this.#callback?.()
        return true
      },
    }
    this.#socket = new Socket({ fd, readable: true, writable: false, onread })
    this.#socket.unref()
  }

  /** Sets what runs, on the event loop, after one or more rings. Replaces the earlier callback. */
  onRing(callback: () => void): void {
    this.#callback = callback
  }

  /** Keeps the process alive, for as long as somebody waits. */
  ref(): void {
    this.#socket.ref()
  }

  unref(): void {
    this.#socket.unref()
  }

  /** No callback comes any more; ringers get false. A second call does nothing. */
  close(): void {
    this.#callback = undefined
    this.#socket.destroy()
  }
}

/** The ringing side: one descriptor, opened at the first ring. */
export class Bell {
  readonly path: string
  #fd: number | undefined

  constructor(path: string) {
    this.path = path
  }

  /**
   * Rings. True: the receiver will be woken. False: nobody is there. 1 µs; 10 µs more the first time. A pipe that is full
   * is ringing already. A receiver that made its pipe anew under the same name is found again. Throws EACCES, EMFILE,
   * EUCLEAN.
   */
  ring(): boolean {
    if (this.#fd !== undefined) {
      if (write(this.#fd)) return true
      this.close()
    }
    this.#fd = openForRinging(this.path)
    return this.#fd !== undefined && write(this.#fd)
  }

  /** Gives the descriptor back. A later ring opens it again. */
  close(): void {
    if (this.#fd === undefined) return
    closeSync(this.#fd)
    this.#fd = undefined
  }
}

/** Rings once, without keeping a descriptor. */
export function ring(path: string): boolean {
  const bell = new Bell(path)
  try {
    return bell.ring()
  } finally {
    bell.close()
  }
}

function openForRinging(path: string): number | undefined {
  let fd: number
  try {
    fd = openSync(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW)
  } catch (error) {
    const code = codeOf(error)
    // ENXIO: a pipe that nobody reads
    if (code === 'ENXIO' || code === 'ENOENT') return undefined
    if (code === 'ELOOP') throw notFifo(path)
    throw error
  }
  if (fstatSync(fd).isFIFO()) return fd
  closeSync(fd)
  throw notFifo(path)
}

function write(fd: number): boolean {
  try {
    writeSync(fd, one)
    return true
  } catch (error) {
    const code = codeOf(error)
    if (code === 'EAGAIN') return true
    if (code === 'EPIPE') return false
    throw error
  }
}

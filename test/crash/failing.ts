/**
 * A device and a store of which the n-th call fails: once, or that one and all that follow. Put between a pool and what it
 * stands on, they are what a broken disk is to it. Calls are counted together, in the order in which they come; syncs of
 * the log are among them; changes of the store fail before they are made, or after they are committed.
 */
import type { Device } from '../../src/device/device.ts'
import { systemError } from '../../src/errors.ts'
import type { Metadata } from '../../src/metadata/metadata.ts'
import type { SceneFaults } from './scene.ts'

export interface Failure {
  /** Which call fails, from 1. 0: none. */
  readonly nth: number
  /** All calls behind it fail as well: the disk is gone. */
  readonly isLasting?: boolean
  /** Of the store's changes: they are committed all the same. */
  readonly isAfterCommit?: boolean
}

/** Which call of the host each method comes to; what is not here does not fail. */
const DEVICE_CALLS: Readonly<Record<string, string>> = {
  allocate: 'fallocate',
  discard: 'fallocate',
  flush: 'fdatasync',
  flushRun: 'msync',
  grow: 'ftruncate',
}
/** A sync of the log fails where it reaches the host. */
const STORE_CALLS_APART = new Set(['close', 'sync'])

export class FailingCalls {
  /** So many there were. */
  count = 0
  /** The method that failed first. */
  failed: string | undefined
  readonly #failure: Failure

  constructor(failure: Failure) {
    this.#failure = failure
  }

  get faults(): SceneFaults {
    return {
      device: (device) => this.#device(device),
      metadata: (metadata) => this.#metadata(metadata),
      logSync: () => {
        if (this.#fails('a sync of the log')) throw broken('EIO', 'fdatasync')
      },
    }
  }

  #fails(name: string): boolean {
    this.count++
    const { nth, isLasting = false } = this.#failure
    const fails = nth > 0 && (isLasting ? this.count >= nth : this.count === nth)
    if (fails) this.failed ??= name
    return fails
  }

  #device(device: Device): Device {
    return wrapped(device, (name, run) => {
      const syscall = DEVICE_CALLS[name]
      if (syscall === undefined || !this.#fails(`device.${name}`)) return run()
      // Space is what allocations lack first.
      const error = broken(name === 'allocate' ? 'ENOSPC' : 'EIO', syscall)
      if (name === 'flush') return Promise.reject(error)
      throw error
    })
  }

  #metadata(metadata: Metadata): Metadata {
    return wrapped(metadata, (name, run) => {
      if (STORE_CALLS_APART.has(name) || !this.#fails(`metadata.${name}`)) return run()
      const error = broken('EIO', 'pwrite')
      if (name === 'layoutNow') throw error
      if (this.#failure.isAfterCommit !== true) return Promise.reject(error)
      return (run() as Promise<unknown>).then(() => {
        throw error
      })
    })
  }
}

const broken = (code: string, syscall: string): Error => systemError(code, 'the disk is broken by a test', { syscall })

/** `around` is called for each call of a method: with its name, and what does it. */
function wrapped<T extends object>(whole: T, around: (name: string, run: () => unknown) => unknown): T {
  return new Proxy(whole, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return (...all: unknown[]) =>
        around(String(name), () => (value as (...all: unknown[]) => unknown).apply(target, all))
    },
  })
}

import type { FileHandle } from 'node:fs/promises'
import type { Readable, Writable } from 'node:stream'
import type { IoOptions } from './pin.ts'

export type WriteTarget = FileHandle | Writable
export type ReadSource = FileHandle | Readable

export function writeFromPin(_buffers: readonly Uint8Array[], _target: WriteTarget, _options: IoOptions): Promise<number> {
  throw new Error('not yet')
}
export function readIntoPin(_buffers: readonly Uint8Array[], _source: ReadSource, _options: IoOptions): Promise<number> {
  throw new Error('not yet')
}

/** A process that serves a plain mapped file, without Holdfast: when the file is truncated under it, the kernel ends it. */
import { closeSync, fstatSync, openSync } from 'node:fs'
import type { MappedMemory } from '../../platform/memory-map.ts'
import { mapShared } from '../../platform/memory-map.ts'
import type { ChildProgram } from './child-program.ts'
import { serveCalls } from './child-program.ts'
import { newHash } from './content.ts'
import type { Playground } from './playground.ts'

const hash = newHash()
let memory: MappedMemory | undefined

const calls = {
  /** Maps a file and reads its first half. */
  begin: (path: string): void => {
    const fd = openSync(path, 'r+')
    memory = mapShared(fd, 0, fstatSync(fd).size)
    closeSync(fd)
    hash.update(new Uint8Array(memory.view(0, memory.length / 2)))
  },
  /** Reads the other half; answers with the hash of all. */
  finish: (_: undefined): string => {
    if (memory === undefined) throw new Error('nothing is mapped')
    const half = memory.length / 2
    return hash.update(new Uint8Array(memory.view(half, half))).digest('hex')
  },
}

export type MappedReader = ChildProgram<typeof calls>

export const startMappedReader = (playground: Playground): MappedReader =>
  playground.start<typeof calls>(import.meta.url)

serveCalls(import.meta.url, calls)

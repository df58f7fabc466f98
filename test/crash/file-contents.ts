/**
 * File contents: for each block of each file what a crash may leave in it: what it held when the last sync of the file was
 * asked for, and everything since, while it was the file's. Blocks are kept whole, with what they have past EOF: that may
 * become readable when a durable size meets a page that was not written back. What is in no block is zeros.
 */
import type { Portrait, PortraitFile } from './portrait.ts'
import type { Versions } from './page-versions.ts'
import { ZERO_PAGE } from './page-versions.ts'

const PAGE = 4096

/** By block of the device. */
export type FileState = ReadonlyMap<number, Versions>

/** By inode. */
export type Contents = ReadonlyMap<number, FileState>

export class FileContents {
  readonly #files = new Map<number, FileState>()
  /** The blocks that each file has now. */
  readonly #own = new Map<number, ReadonlySet<number>>()

  get now(): Contents {
    return new Map(this.#files)
  }

  /** Looks at every file; `device` is what the blocks hold. Returns foreign words, which no file may ever show. */
  look(portrait: Portrait, device: readonly Versions[]): string[] {
    return [...portrait.files, ...portrait.orphans].flatMap((file) => this.#lookAt(file, device))
  }

  /** For `synced`: what a sync that begins now makes durable. */
  marks(): ReadonlyMap<number, ReadonlyMap<number, Buffer>> {
    const marksOf = (ino: number, state: FileState): [number, Buffer][] =>
      [...state].flatMap(([block, list]) => (this.#own.get(ino)?.has(block) === true ? [[block, list.at(-1)!]] : []))
    return new Map([...this.#files].map(([ino, state]) => [ino, new Map(marksOf(ino, state))]))
  }

  /** A sync of these files, which began at `marks`, is over. */
  synced(marks: ReadonlyMap<number, ReadonlyMap<number, Buffer>>, inos: Iterable<number> = marks.keys()): void {
    for (const ino of inos) {
      const own = marks.get(ino)
      if (own === undefined) continue
      const state = new Map<number, Versions>()
      for (const [block, list] of this.#files.get(ino)!) {
        const mark = own.get(block)
        if (mark !== undefined) state.set(block, list.slice(list.lastIndexOf(mark)))
      }
      this.#files.set(ino, state)
    }
  }

  #lookAt({ ino, size, extents }: PortraitFile, device: readonly Versions[]): string[] {
    const state = new Map(this.#files.get(ino))
    const own = new Set<number>()
    const foreign: string[] = []
    for (const { fileBlock, deviceBlock, count } of extents) {
      for (let i = 0; i < count; i++) {
        const block = deviceBlock + i
        own.add(block)
        const content = device[block].at(-1)!
        if (!add(state, block, content)) continue
        const word = foreignWord(ino, content, Math.min(size - (fileBlock + i) * PAGE, PAGE))
        if (word !== undefined) foreign.push(`file ${ino} shows ${word} in page ${fileBlock + i}`)
      }
    }
    for (const block of state.keys()) if (!own.has(block)) addLate(state, block, ino, device[block].at(-1)!)
    this.#files.set(ino, state)
    this.#own.set(ino, own)
    return foreign
  }
}

function add(state: Map<number, Versions>, block: number, content: Buffer): boolean {
  const list = state.get(block)
  if (list?.at(-1) === content) return false
  state.set(block, [...(list ?? []), content])
  return true
}

/**
 * A block that left the file, which a power cut may bring back: whoever had it pinned may have written to it since. Never
 * zeros, nor what another file put there: a block is not to be used again before its leaving is durable.
 */
function addLate(state: Map<number, Versions>, block: number, ino: number, content: Buffer): void {
  if (content !== ZERO_PAGE && foreignWord(ino, content, PAGE) === undefined) add(state, block, content)
}

/** The stamp of every 32 bit word of file `ino`; `round` tells one write from another. */
export const stampOf = (ino: number, round: number): number => ((ino << 16) | (round & 0xffff)) >>> 0

function foreignWord(ino: number, page: Buffer, length: number): string | undefined {
  if (page === ZERO_PAGE) return undefined
  for (let at = 0; at + 4 <= length; at += 4) {
    const word = page.readUInt32LE(at)
    if (word !== 0 && word >>> 16 !== ino) return `0x${word.toString(16)}`
  }
  return undefined
}

/** Whether a crash may leave `bytes`, the readable part, in a block of the file; undefined: in a hole. */
export function isAllowed(state: FileState, block: number | undefined, bytes: Buffer): boolean {
  const versions = block === undefined ? [ZERO_PAGE] : (state.get(block) ?? [])
  return versions.some((version) => isStartOf(version, bytes))
}

/** Whether `bytes` is what is there now: all that a process's death may leave. */
export function isNewest(state: FileState, block: number | undefined, bytes: Buffer): boolean {
  const newest = block === undefined ? ZERO_PAGE : state.get(block)?.at(-1)
  return newest !== undefined && isStartOf(newest, bytes)
}

const isStartOf = (version: Buffer, bytes: Buffer): boolean =>
  version.compare(bytes, 0, bytes.length, 0, bytes.length) === 0

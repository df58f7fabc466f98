/**
 * Content that can be told apart and made again: the bytes at an offset follow from a name, so what a file must hold is
 * known without keeping a copy. No two names share a block, no two blocks of a name are equal, and none is all zeros.
 */
import type { Hash } from 'node:crypto'
import { createCipheriv, createHash } from 'node:crypto'
import { BLOCK_SIZE } from '../../units.ts'

const KEY_BYTES = 16
const PORTION = 1 << 20

/** Noise that a name's blocks are cut from: made once, as copying is cheaper than making noise. */
let noise: { readonly name: string; readonly bytes: Buffer } | undefined

function noiseOf(name: string): Buffer {
  if (noise?.name !== name) {
    const key = createHash('sha256').update(name).digest().subarray(0, KEY_BYTES)
    const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(KEY_BYTES))
    noise = { name, bytes: cipher.update(Buffer.alloc(PORTION)) }
  }
  return noise.bytes
}

/** Bytes [offset, offset + length) of the content called `name`: noise, each block beginning with its number. */
export function contentOf(name: string, offset: number, length: number): Buffer {
  const bytes = noiseOf(name)
  const first = Math.floor(offset / BLOCK_SIZE)
  const end = Math.ceil((offset + length) / BLOCK_SIZE)
  const blocks = Buffer.allocUnsafe((end - first) * BLOCK_SIZE)
  for (let at = 0, from = (first * BLOCK_SIZE) % PORTION; at < blocks.length; from = 0) {
    at += bytes.copy(blocks, at, from)
  }
  for (let block = first; block < end; block++) blocks.writeDoubleLE(block, (block - first) * BLOCK_SIZE)
  const skip = offset - first * BLOCK_SIZE
  return blocks.subarray(skip, skip + length)
}

/** The same in portions of a MiB, for writing and hashing without holding all of it. */
export function* portionsOf(name: string, length: number): Generator<Buffer> {
  for (let offset = 0; offset < length; offset += PORTION) {
    yield contentOf(name, offset, Math.min(PORTION, length - offset))
  }
}

/** The hash that everything here is compared by: the fastest of the strong ones where the processor has none of its own. */
export const newHash = (): Hash => createHash('blake2b512')

export const hashOf = (bytes: Uint8Array): string => newHash().update(bytes).digest('hex')

/** Hash of the first `length` bytes of the content called `name`. */
export function hashOfContent(name: string, length: number): string {
  const hash = newHash()
  for (const portion of portionsOf(name, length)) hash.update(portion)
  return hash.digest('hex')
}

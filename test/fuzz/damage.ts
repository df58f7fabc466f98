/** Damage: what a seed does to the files of a pool: bits, bytes, words, pages, lengths, files that are gone or another's. */
import type { Random } from '../stress/random.ts'
import type { Specimen } from './specimens.ts'

const PAGE = 2048
/** Numbers at the edges of what fields hold. */
const EDGES = [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff]

export interface Damaged {
  readonly files: Specimen
  /** For people. */
  readonly what: string
}

/** One to four damages of one or two files; `other` is a sound pool of its own. */
export function damaged(sound: Specimen, other: Specimen, random: Random): Damaged {
  const files = new Map(sound)
  const done: string[] = []
  const paths = [...files.keys()]
  for (let count = random.of([1, 1, 1, 2, 4]); count > 0; count--) {
    // Most of what can go wrong is said in the metadata.
    const path = random.chance(0.5) ? random.of(paths.filter((name) => name.startsWith('meta.db'))) : random.of(paths)
    const content = files.get(path)
    if (content === undefined) continue
    done.push(`${path}: ${spoil(files, path, content, other, random)}`)
  }
  return { files, what: done.join('; ') }
}

function spoil(files: Map<string, Buffer>, path: string, content: Buffer, other: Specimen, random: Random): string {
  const way = random.below(100)
  if (way < 3) {
    files.delete(path)
    return 'gone'
  }
  if (way < 6) {
    const foreign = other.get(path)
    if (foreign !== undefined) {
      files.set(path, foreign)
      return 'of another pool'
    }
  }
  if (way < 16) {
    const length = random.chance(0.3)
      ? PAGE * random.below(content.length / PAGE + 1)
      : random.below(content.length + 1)
    files.set(path, content.subarray(0, length))
    return `cut to ${length}`
  }
  if (way < 19) {
    const more = random.of([1, 100, PAGE, 4096, 100_000])
    files.set(path, Buffer.concat([content, Buffer.alloc(more, random.below(256))]))
    return `${more} bytes longer`
  }
  if (content.length === 0) return 'empty as before'
  const copy = Buffer.from(content)
  files.set(path, copy)
  const at = placeIn(content, random)
  if (way < 50) {
    const flips = random.of([1, 1, 1, 2, 8])
    for (let i = 0; i < flips; i++) copy[(at + random.below(i === 0 ? 1 : 64)) % copy.length] ^= 1 << random.below(8)
    return `${flips} bits at ${at}`
  }
  if (way < 70) {
    copy[at] = random.of([0, 1, 0x7f, 0x80, 0xff, random.below(256)])
    return `byte at ${at}`
  }
  if (way < 88) {
    const word = random.chance(0.3) ? random.below(2 ** 32) : random.of(EDGES)
    const place = Math.min(at & ~3, Math.max(0, copy.length - 4))
    // The database has its numbers the other way round.
    if (copy.length >= 4)
      copy[path.startsWith('meta.db') && !path.endsWith('shm') ? 'writeUInt32BE' : 'writeUInt32LE'](word, place)
    return `word ${word} at ${place}`
  }
  const page = Math.floor(at / PAGE) * PAGE
  if (way < 94) {
    copy.fill(random.of([0, 0xff, random.below(256)]), page, Math.min(page + PAGE, copy.length))
    return `page at ${page} filled`
  }
  const from = Math.floor(placeIn(content, random) / PAGE) * PAGE
  content.copy(copy, page, from, from + PAGE)
  return `page at ${page} is that of ${from}`
}

/** Where something is, mostly: files are zeros for the most part. */
function placeIn(content: Buffer, random: Random): number {
  for (let tries = 0; tries < 30; tries++) {
    const at = random.below(content.length)
    if (content[at] !== 0) return at
  }
  return random.below(content.length)
}

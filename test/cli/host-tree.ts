/** Trees of the host for copies: one with everything in it, and what a tree looks like to a program. */
import { createHash, randomBytes } from 'node:crypto'
import type { BigIntStats } from 'node:fs'
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { makeFifo } from '../../src/platform/fifo.ts'

/** Long enough for more than one window of a copy. */
const LONG_BYTES = (9 << 20) + 17

/** Files short, long, empty and sparse; directories with and without permissions; links of all sorts; a fifo. */
export function makeTree(root: string): void {
  for (const path of ['', 'a', 'a/b', 'a/closed', 'empty']) mkdirSync(join(root, path))
  const file = (path: string, data: Uint8Array, mode = 0o644): void => {
    writeFileSync(join(root, path), data)
    chmodSync(join(root, path), mode)
  }
  file('a/one', randomBytes(100_001))
  file('a/b/long', randomBytes(LONG_BYTES), 0o640)
  file('a/b/none', Buffer.alloc(0), 0o400)
  file('a/b/ünï\ncode "x"', randomBytes(4096))
  file('a/program', randomBytes(5000), 0o6755)
  file('zeros', Buffer.alloc(20_000))
  linkSync(join(root, 'a/one'), join(root, 'a/b/one-more'))
  linkSync(join(root, 'a/one'), join(root, 'last'))
  symlinkSync('../one', join(root, 'a/b/link'))
  symlinkSync('/nowhere at all', join(root, 'dangling'))
  symlinkSync('a', join(root, 'link-to-directory'))
  sparseFile(join(root, 'sparse'), 1 << 26, [0, 40 << 20, (1 << 26) - 77])
  sparseFile(join(root, 'small-sparse'), 100_000, [50_000])
  sparseFile(join(root, 'hole'), 1 << 20, [])
  makeFifo(join(root, 'fifo'), 0o644)
  chmodSync(join(root, 'empty'), 0o1500)
  chmodSync(join(root, 'a/closed'), 0o2750)
  setTimes(root, 1_500_000_000)
}

/** Some bytes at each of the offsets, and nothing elsewhere. */
function sparseFile(path: string, size: number, offsets: readonly number[]): void {
  const fd = openSync(path, 'wx')
  for (const offset of offsets) writeSync(fd, randomBytes(77), 0, 77, offset)
  ftruncateSync(fd, size)
  closeSync(fd)
}

/** Other times for each; the directories after what is in them. */
function setTimes(path: string, seconds: number): number {
  let next = seconds
  const stat = lstatSync(path)
  if (stat.isDirectory()) for (const name of readdirSync(path)) next = setTimes(join(path, name), next)
  ;(stat.isSymbolicLink() ? lutimesSync : utimesSync)(path, next + 0.25, next + 0.123_456_7)
  return next + 1001
}

/** A line for everything below `root` but fifos: path, kind, bits, owner, times to 10 µs, names of the same inode, content. */
export function listing(root: string): string[] {
  const names = new Map<bigint, string>()
  const lines: string[] = []
  const walk = (path: string): void => {
    const stat = lstatSync(join(root, path), { bigint: true })
    if (stat.isFIFO()) return
    const { mode, uid, gid, mtimeNs } = stat
    const first = stat.isDirectory() ? path : (names.get(stat.ino) ?? path)
    names.set(stat.ino, first)
    const facts = [path, mode.toString(8), uid, gid, mtimeNs / 10_000n, first === path ? '' : `is ${first}`]
    lines.push([...facts, contentOf(join(root, path), stat)].join(' | '))
    if (stat.isDirectory()) for (const name of readdirSync(join(root, path))) walk(join(path, name))
  }
  walk('')
  return lines.toSorted()
}

function contentOf(path: string, stat: BigIntStats): string {
  if (stat.isSymbolicLink()) return readlinkSync(path)
  if (!stat.isFile()) return ''
  const content = createHash('sha256').update(readFileSync(path)).digest('base64')
  return `${content} ${stat.size} bytes, ${stat.blocks * 512n < stat.size ? 'with holes' : 'dense'}`
}

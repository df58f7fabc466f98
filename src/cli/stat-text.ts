/** How `ls` and `stat` show a Stat. */
import type { InodeKind, Stat } from '../index.ts'
import { S_IFMT, TYPE_BITS } from '../pool/kinds.ts'

const KINDS = Object.keys(TYPE_BITS) as InodeKind[]

export const kindOf = ({ mode }: Stat): InodeKind => KINDS.find((kind) => TYPE_BITS[kind] === (mode & S_IFMT)) ?? 'file'

/** As `ls` has them; a file has none. */
const LETTERS: Readonly<Record<InodeKind, string>> = {
  file: '-',
  directory: 'd',
  symlink: 'l',
  fifo: 'p',
  socket: 's',
  character: 'c',
  block: 'b',
}

/** `-rw-r--r--`, `drwxrws--T`. */
export function modeText(stat: Stat): string {
  const { mode } = stat
  const triple = (bits: number, special: boolean, letter: string): string =>
    (bits & 4 ? 'r' : '-') + (bits & 2 ? 'w' : '-') + executeText(bits, special, letter)
  return (
    LETTERS[kindOf(stat)] +
    triple(mode >> 6, (mode & 0o4000) !== 0, 's') +
    triple(mode >> 3, (mode & 0o2000) !== 0, 's') +
    triple(mode, (mode & 0o1000) !== 0, 't')
  )
}

function executeText(bits: number, isSpecial: boolean, letter: string): string {
  const mayExecute = (bits & 1) !== 0
  if (isSpecial) return mayExecute ? letter : letter.toUpperCase()
  return mayExecute ? 'x' : '-'
}

/** `8, 1`: major and minor number of a device node, as Linux packs them into 32 bits; undefined for what is none. */
export function deviceText(stat: Stat): string | undefined {
  if (!stat.isCharacterDevice() && !stat.isBlockDevice()) return undefined
  return `${(stat.rdev >>> 8) & 0xfff}, ${(stat.rdev & 0xff) | ((stat.rdev >>> 12) & 0xf_ff00)}`
}

/** Local time to the second, sortable: `2026-05-01 12:00:00`. */
export function timeText(time: Date): string {
  const local = new Date(time.getTime() - time.getTimezoneOffset() * 60_000)
  return local.toISOString().slice(0, 19).replace('T', ' ')
}

const NS_PER_S = 1_000_000_000n

/** The same to the nanosecond: `2026-05-01 12:00:00.123456789`. */
export function exactTimeText(ns: bigint): string {
  const fraction = ((ns % NS_PER_S) + NS_PER_S) % NS_PER_S
  return `${timeText(new Date(Number((ns - fraction) / 1_000_000n)))}.${String(fraction).padStart(9, '0')}`
}

/** Sizes in bytes, times in ISO 8601 and in nanoseconds since 1970 (strings: JSON numbers are too small). */
export function statJson(stat: Stat): object {
  return {
    kind: kindOf(stat),
    inode: stat.ino,
    mode: stat.mode & 0o7777,
    nlink: stat.nlink,
    uid: stat.uid,
    gid: stat.gid,
    rdev: stat.rdev,
    sizeBytes: stat.size,
    takenBytes: stat.blocks * 512,
    atime: stat.atime,
    mtime: stat.mtime,
    ctime: stat.ctime,
    birthtime: stat.birthtime,
    atimeNs: stat.atimeNs,
    mtimeNs: stat.mtimeNs,
    ctimeNs: stat.ctimeNs,
    birthtimeNs: stat.birthtimeNs,
    changeCount: stat.changeCount,
    busy: stat.busy ?? null,
    dax: stat.dax ?? null,
  }
}

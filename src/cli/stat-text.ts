/** How `ls` and `stat` show a Stat. */
import type { Stat } from '../index.ts'

/** `-rw-r--r--`. */
export function modeText(stat: Stat): string {
  const { mode } = stat
  const triple = (bits: number, special: boolean, letter: string): string =>
    (bits & 4 ? 'r' : '-') + (bits & 2 ? 'w' : '-') + executeText(bits, special, letter)
  return (
    (stat.isDirectory() ? 'd' : '-') +
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

/** Local time to the second, sortable: `2026-05-01 12:00:00`. */
export function timeText(time: Date): string {
  const local = new Date(time.getTime() - time.getTimezoneOffset() * 60_000)
  return local.toISOString().slice(0, 19).replace('T', ' ')
}

/** Sizes in bytes, times in ISO 8601 and in nanoseconds since 1970 (strings: JSON numbers are too small). */
export function statJson(stat: Stat): object {
  return {
    kind: stat.isDirectory() ? 'directory' : 'file',
    inode: stat.ino,
    mode: stat.mode & 0o7777,
    nlink: stat.nlink,
    uid: stat.uid,
    gid: stat.gid,
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

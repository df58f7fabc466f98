/**
 * Which mounting of a file system a path is on. A file system that is taken down without being asked (a disk pulled out, an
 * error that stopped its journal) has lost what was not flushed when it is mounted again, on the same boot: as after a
 * power failure. Neither its device number nor its mount id tells; the kernel's object for it, in sysfs, is another one.
 *
 * Callers: the pool's recovery.
 */
import { readdirSync, readlinkSync, statSync } from 'node:fs'
import { basename } from 'node:path'

const SYSFS = '/sys/fs'

/** Words that are other ones after each mounting; '' where sysfs does not tell (tmpfs, which loses everything). 50 µs. */
export function mountedInstance(path: string): string {
  const { dev } = statSync(path)
  const disk = diskOf(dev)
  // btrfs has device numbers that belong to no disk. Another one that comes or goes is a repair too many, no less.
  const names =
    disk === undefined ? namesIn(`${SYSFS}/btrfs`).map((name) => `btrfs/${name}`) : [`ext4/${disk}`, `xfs/${disk}`]
  return names.flatMap((name) => instanceOf(name)).join(' ')
}

/** As the kernel names it, such as 'nvme0n1p2'. */
function diskOf(dev: number): string | undefined {
  const major = (dev >>> 8) & 0xfff
  const minor = (dev & 0xff) | ((dev >>> 12) & 0xff_ff00)
  try {
    return basename(readlinkSync(`/sys/dev/block/${major}:${minor}`))
  } catch {
    return undefined
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

function instanceOf(name: string): string[] {
  const found = statSync(`${SYSFS}/${name}`, { bigint: true, throwIfNoEntry: false })
  return found === undefined ? [] : [`${name}:${found.ino}`]
}

/** What `doctor` finds out about the machine and the file system of a directory, by trying it in a file of its own. */
import { closeSync, constants, existsSync, openSync, readFileSync, readSync, unlinkSync, writeSync } from 'node:fs'
import { release } from 'node:os'
import { delimiter, join } from 'node:path'
import { codeOf } from '../errors.ts'
import { isLocked, tryLock } from '../platform/file-lock.ts'
import { allocateSpace, punchHole } from '../platform/file-space.ts'
import { fileSystemOf } from '../platform/file-system.ts'
import { assertSupportedPlatform } from '../platform/libc.ts'
import { tryLongTermPin } from '../platform/long-term-pin.ts'
import { mapShared } from '../platform/memory-map.ts'
import { BLOCK_SIZE } from '../units.ts'
import { temporaryName } from './copying/places.ts'
import { formatSize } from './sizes.ts'

export interface Check {
  readonly name: string
  readonly status: 'ok' | 'warn' | 'fail'
  readonly found: string
  /** What to do about it, or to keep in mind. */
  readonly remedy?: string
}

const NODE_MAJOR_LEAST = 24

export function checkNode(): Check {
  const name = 'node'
  const found = `Node.js ${process.versions.node}`
  if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_LEAST) return { name, status: 'ok', found }
  return { name, status: 'fail', found, remedy: `install Node.js ${NODE_MAJOR_LEAST} or later` }
}

/** Platform, pages, libc through koffi: without them nothing below can be tried. */
export function checkPlatform(): Check {
  const here = `${process.platform} ${process.arch}, kernel ${release()}`
  try {
    assertSupportedPlatform()
    return { name: 'platform', status: 'ok', found: `${here}, pages of ${BLOCK_SIZE} bytes` }
  } catch (error) {
    return { name: 'platform', status: 'fail', found: here, remedy: messageOf(error) }
  }
}

/** Whether pools can be mounted: the device, and who may. */
export function checkMounting(): Check {
  const name = 'mounting'
  try {
    closeSync(openSync('/dev/fuse', constants.O_RDWR))
  } catch (error) {
    const remedy = 'only for mounting: load the module fuse, or give the user or container the device'
    return { name, status: 'warn', found: `/dev/fuse is not usable (${codeOf(error) ?? 'unknown'})`, remedy }
  }
  if (hasAdministration()) return { name, status: 'ok', found: 'pools can be mounted, by mount(2)' }
  const path = (process.env.PATH ?? '').split(delimiter).find((folder) => existsSync(join(folder, 'fusermount3')))
  if (path !== undefined) return { name, status: 'ok', found: 'pools can be mounted, through fusermount3' }
  const remedy = 'only for mounting: install fusermount3 (package fuse3), or mount as root'
  return { name, status: 'warn', found: '/dev/fuse is there, but this user may not mount', remedy }
}

const CAP_SYS_ADMIN = 21n

function hasAdministration(): boolean {
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  return ((BigInt(`0x${capabilities ?? '0'}`) >> CAP_SYS_ADMIN) & 1n) === 1n
}

export function checkFileSystem(directory: string): Check {
  const name = 'file system'
  const { type, magic, freeBytes } = fileSystemOf(directory)
  const room = `${formatSize(freeBytes)} free at ${directory}`
  if (type === 'other') {
    const remedy = 'put the pool on ext4, XFS, btrfs or tmpfs'
    return { name, status: 'fail', found: `of an unknown kind (0x${magic.toString(16)}), ${room}`, remedy }
  }
  if (type === 'tmpfs') {
    const remedy = 'it ends with the machine; use ext4, XFS or btrfs for what must last'
    return { name, status: 'warn', found: `tmpfs, which is memory, ${room}`, remedy }
  }
  return { name, status: 'ok', found: `${type}, ${room}` }
}

/**
 * Locks, mappings, space, O_DIRECT and the kernel's long-term pins, each tried on a file made in `directory` and removed. Where there is a pool, who
 * may only read the directory has tried nothing, but lacks nothing either.
 */
export function checkAbilities(directory: string, isPool: boolean): Check[] {
  const path = join(directory, temporaryName())
  const fds: number[] = []
  const openAgain = (flags: number): number => {
    const fd = openSync(path, flags, 0o600)
    fds.push(fd)
    return fd
  }
  try {
    const fd = openAgain(constants.O_RDWR | constants.O_CREAT | constants.O_EXCL)
    writeSync(fd, Buffer.alloc(2 * BLOCK_SIZE, 1))
    const elsewhere = 'put the pool on ext4, XFS, btrfs or tmpfs of this machine'
    return [
      attempt('locks', 'open-file-description locks work', { status: 'fail', remedy: elsewhere }, () => {
        if (!tryLock(fd, 0, 'exclusive') || !isLocked(openAgain(constants.O_RDWR), 0)) {
          throw new Error('a lock is not seen by another description')
        }
      }),
      attempt('mappings', 'what one writes the other sees', { status: 'fail', remedy: elsewhere }, () =>
        tryMapping(fd),
      ),
      attempt('space', 'space can be allocated and punched', { status: 'fail', remedy: elsewhere }, () => {
        allocateSpace(fd, 0, 2 * BLOCK_SIZE)
        punchHole(fd, BLOCK_SIZE, BLOCK_SIZE)
      }),
      attempt('O_DIRECT', 'works for files here', { status: 'warn', remedy: 'only O_DIRECT I/O needs it' }, () => {
        openAgain(constants.O_RDONLY | constants.O_DIRECT)
      }),
      checkLongTermPins(fd),
    ]
  } catch (error) {
    const remedy = 'make the directory writable for this user, or name another one'
    const isForReading = isPool && ['EACCES', 'EROFS'].includes(codeOf(error) ?? '')
    return [{ name: 'directory', status: isForReading ? 'warn' : 'fail', found: messageOf(error), remedy }]
  } finally {
    if (fds.length > 0) unlinkSync(path)
    for (const fd of fds) closeSync(fd)
  }
}

/** Both ways: a byte stored in a mapping is read from the file, and the mapping is of the file, not of a copy. */
function tryMapping(fd: number): void {
  const [one, other] = [mapShared(fd, 0, BLOCK_SIZE), mapShared(fd, 0, BLOCK_SIZE)]
  try {
    new Uint8Array(one.view(0, BLOCK_SIZE))[7] = 77
    const read = Buffer.alloc(1)
    readSync(fd, read, 0, 1, 7)
    if (read[0] !== 77 || new Uint8Array(other.view(0, BLOCK_SIZE))[7] !== 77) {
      throw new Error('two mappings of a file do not show the same bytes')
    }
  } finally {
    one.unmap()
    other.unmap()
  }
}

/** What `pin({ longTerm: true })` is for: whether the kernel, too, pins mapped blocks for long. On the first page of a file. */
function checkLongTermPins(fd: number): Check {
  const name = 'long-term pins'
  const mapping = mapShared(fd, 0, BLOCK_SIZE)
  try {
    const pin = tryLongTermPin(mapping.address, BLOCK_SIZE)
    if (pin.outcome === 'taken') return { name, status: 'ok', found: 'the kernel takes them on files here' }
    if (pin.outcome === 'refused') {
      const remedy =
        'only for io_uring registered buffers and RDMA, which refuse mapped files of a disk: put the pool on tmpfs. ' +
        'Other I/O, and long-term pins of your own code, work here'
      return { name, status: 'warn', found: `the kernel refuses them on files here (${pin.code})`, remedy }
    }
    const remedy = 'only for io_uring registered buffers and RDMA: they take mapped files of tmpfs, and none of a disk'
    return { name, status: 'warn', found: `unknown: ${pin.reason}`, remedy }
  } finally {
    mapping.unmap()
  }
}

function attempt(
  name: string,
  found: string,
  otherwise: { readonly status: 'warn' | 'fail'; readonly remedy: string },
  action: () => void,
): Check {
  try {
    action()
    return { name, status: 'ok', found }
  } catch (error) {
    return { name, found: messageOf(error), ...otherwise }
  }
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

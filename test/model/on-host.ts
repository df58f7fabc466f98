/**
 * The host's file system that is asked to do operations, by way of node:fs. It runs in a process of its own, whose root
 * directory becomes an empty directory of the host: so '..' and absolute symlinks mean the same as in a pool.
 *
 * Where the project does something else on purpose the outcome is turned into the project's, and a comment that begins
 * with "Not as Linux" says why.
 */
import * as fs from 'node:fs'
import koffi from 'koffi'
import type { Arguments, Operation, OperationName, Outcome, StatOutcome } from './operations.ts'
import { bytesOf, outcomeOf } from './operations.ts'

/** What node:fs has. */
export type HostOperation = Exclude<
  OperationName,
  | 'openUnnamed'
  | 'mknod'
  | 'configure'
  | 'setXattr'
  | 'getXattr'
  | 'listXattrs'
  | 'removeXattr'
  | 'punchHole'
  | 'zeroRange'
  | 'collapseRange'
  | 'insertRange'
  | 'allocate'
  | 'seekData'
  | 'seekHole'
  | 'copyFrom'
  | 'fconfigure'
  | 'fsetXattr'
  | 'fgetXattr'
  | 'flistXattrs'
  | 'fremoveXattr'
  | 'flink'
>

type Run<Name extends OperationName> = (on: OnHost, operation: Arguments[Name]) => unknown

const { O_CREAT, O_EXCL, O_RDWR, O_TRUNC, O_WRONLY } = fs.constants
const O_ACCMODE = 3

const chroot = koffi.load(null).func('int chroot(const char *path)') as (path: string) => number

export class OnHost {
  readonly #descriptors = new Map<number, number>()

  /** `directory` becomes the root of this whole process, and gets what an empty pool has, unless it has. False: not allowed. */
  static enter(directory: string): OnHost | undefined {
    if (chroot(directory) !== 0) return undefined
    process.chdir('/')
    if (!fs.existsSync('/lost+found')) fs.mkdirSync('/lost+found', { mode: 0o700 })
    return new OnHost()
  }

  async perform(operation: Operation): Promise<Outcome> {
    const run = OPERATIONS[operation.op as HostOperation] as (on: OnHost, what: Operation) => unknown
    return outcomeOf(() => run(this, operation))
  }

  descriptor(slot: number): number {
    return this.#descriptors.get(slot)!
  }

  open(slot: number, path: string, flags: string | number, mode: number | undefined): void {
    this.close(slot)
    // Not as Linux: who may not write changes nothing. POSIX leaves it open.
    const isForReading = typeof flags === 'number' && (flags & O_ACCMODE) !== O_WRONLY && (flags & O_ACCMODE) !== O_RDWR
    this.#descriptors.set(slot, openFile(path, isForReading ? flags & ~O_TRUNC : flags, mode))
  }

  close(slot: number): void {
    const descriptor = this.#descriptors.get(slot)
    this.#descriptors.delete(slot)
    if (descriptor !== undefined) fs.closeSync(descriptor)
  }

  /** Everything is gone. */
  clear(): void {
    for (const slot of this.#descriptors.keys()) this.close(slot)
    for (const name of fs.readdirSync('/')) if (name !== 'lost+found') fs.rmSync(`/${name}`, { recursive: true })
    fs.chmodSync('/', 0o755)
    fs.chownSync('/', process.getuid?.() ?? 0, process.getgid?.() ?? 0)
    fs.chmodSync('/lost+found', 0o700)
    fs.chownSync('/lost+found', process.getuid?.() ?? 0, process.getgid?.() ?? 0)
  }
}

/** Not as Linux: a directory cannot be opened, there is nothing to be done with one. */
function openFile(path: string, flags: string | number, mode?: number): number {
  const descriptor = fs.openSync(path, flags, mode)
  if (!fs.fstatSync(descriptor).isDirectory()) return descriptor
  fs.closeSync(descriptor)
  throw Object.assign(new Error('this is a directory'), { code: 'EISDIR' })
}

function withFile<T>(path: string, flags: string | number, use: (descriptor: number) => T): T {
  const descriptor = openFile(path, flags)
  try {
    return use(descriptor)
  } finally {
    fs.closeSync(descriptor)
  }
}

function plain(found: fs.BigIntStats): StatOutcome {
  return {
    ino: Number(found.ino),
    mode: Number(found.mode),
    nlink: Number(found.nlink),
    uid: Number(found.uid),
    gid: Number(found.gid),
    rdev: Number(found.rdev),
    size: Number(found.size),
    blocks: Number(found.blocks),
    mtimeNs: found.mtimeNs,
  }
}

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

const OPERATIONS: { readonly [Name in HostOperation]: Run<Name> } = {
  open: (on, { slot, path, flags, mode }) => on.open(slot, path, flags, mode),
  readFile: (_, { path }) => withFile(path, 'r', (descriptor) => fs.readFileSync(descriptor)),
  writeFile(_, { path, data, flags }) {
    withFile(path, flags, (descriptor) => fs.writeFileSync(descriptor, bytesOf(data)))
  },
  // Not fs.copyFile, which run by root gives a file that is there the owner of the other.
  copyFile(_, { path, dest, exclusive }) {
    withFile(path, 'r', (source) => {
      const { ino, mode } = fs.fstatSync(source)
      withFile(dest, O_RDWR | O_CREAT | (exclusive ? O_EXCL : 0), (target) => {
        if (fs.fstatSync(target).ino === ino) return
        fs.ftruncateSync(target)
        fs.writeFileSync(target, fs.readFileSync(source))
        fs.fchmodSync(target, mode & 0o7777)
      })
    })
  },
  truncate(_, { path, length }) {
    withFile(path, 'r+', (descriptor) => fs.ftruncateSync(descriptor, length))
  },
  mkdir: (_, { path, mode, recursive }) => void fs.mkdirSync(path, { mode, recursive }),
  symlink: (_, { target, path }) => fs.symlinkSync(target, path),
  readlink: (_, { path }) => fs.readlinkSync(path),
  link: (_, { path, dest }) => fs.linkSync(path, dest),
  unlink: (_, { path }) => fs.unlinkSync(path),
  rmdir: (_, { path }) => fs.rmdirSync(path),
  rename: (_, { path, dest }) => fs.renameSync(path, dest),
  readdir: (_, { path }) => fs.readdirSync(path).toSorted(byBytes),
  stat: (_, { path }) => plain(fs.statSync(path, { bigint: true })),
  lstat: (_, { path }) => plain(fs.lstatSync(path, { bigint: true })),
  exists(_, { path }) {
    try {
      fs.accessSync(path)
      return true
    } catch (error) {
      if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes((error as { code: string }).code)) return false
      throw error
    }
  },
  access: (_, { path, mode }) => fs.accessSync(path, mode),
  realpath: (_, { path }) => fs.realpathSync.native(path),
  chmod: (_, { path, mode }) => fs.chmodSync(path, mode),
  chown: (_, { path, uid, gid }) => fs.chownSync(path, uid, gid),
  lchown: (_, { path, uid, gid }) => fs.lchownSync(path, uid, gid),
  utimes: (_, { path, atime, mtime }) => fs.utimesSync(path, atime, mtime),
  lutimes: (_, { path, atime, mtime }) => fs.lutimesSync(path, atime, mtime),

  close: (on, { slot }) => on.close(slot),
  fread(on, { slot, offset, length, at }) {
    const buffer = Buffer.alloc(offset + length)
    const bytesRead = fs.readSync(on.descriptor(slot), buffer, { offset, length, position: at })
    return buffer.subarray(offset, offset + bytesRead)
  },
  fwrite: (on, { slot, data, at }) => fs.writeSync(on.descriptor(slot), bytesOf(data), 0, data.length, at),
  ftruncate(on, { slot, length }) {
    try {
      fs.ftruncateSync(on.descriptor(slot), length)
    } catch (error) {
      // Not as Linux: what was not opened for writing is EBADF for everything; POSIX lets ftruncate say either.
      throw (error as { code: string }).code === 'EINVAL' ? Object.assign(error as Error, { code: 'EBADF' }) : error
    }
  },
  fstat: (on, { slot }) => plain(fs.fstatSync(on.descriptor(slot), { bigint: true })),
  fchmod: (on, { slot, mode }) => fs.fchmodSync(on.descriptor(slot), mode),
  fchown: (on, { slot, uid, gid }) => fs.fchownSync(on.descriptor(slot), uid, gid),
  futimes: (on, { slot, atime, mtime }) => fs.futimesSync(on.descriptor(slot), atime, mtime),
  fsync: (on, { slot }) => fs.fsyncSync(on.descriptor(slot)),
}

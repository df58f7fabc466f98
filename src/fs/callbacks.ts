/**
 * The callbacks: the operations on paths, and those on descriptors.
 */
import type { OpenMode, PathLike } from 'node:fs'
import { promisify } from 'node:util'
import type { Pool } from '../pool/pool.ts'
import { integer, mustBeFunction } from './arguments.ts'
import type { Descriptors } from './descriptors.ts'
import type { FileHandle } from './file-handle.ts'
import { glob } from './glob.ts'
import type { PathOperations } from './path-operations.ts'
import type { Callback } from './settle.ts'
import { settle } from './settle.ts'

type Operation = (...args: never[]) => Promise<unknown>

/** Calls back with the parts of what the operation gives. */
function calledBack(operation: Operation, parts = (value: unknown): unknown[] => [value]) {
  return (...args: unknown[]): void => {
    const callback = args.pop() as Callback
    mustBeFunction('cb', callback)
    settle(operation(...(args as never[])), callback, parts)
  }
}

/** What `util.promisify` makes of it, where that is not just the first value. */
const promisified = <F extends object, P>(callbackForm: F, promiseForm: P): F =>
  Object.defineProperty(callbackForm, promisify.custom, { value: promiseForm, enumerable: false })

export function callbacks(pool: Pool, descriptors: Descriptors, on: PathOperations) {
  /** Runs an operation of an open file. What is no number throws at once; a number that is nobody's is EBADF. */
  const onHandle =
    (syscall: string, use: (handle: FileHandle, ...args: never[]) => Promise<unknown>) =>
    (fd: number, ...args: never[]): Promise<unknown> => {
      integer('fd', fd, 0, 0x7fff_ffff)
      return (async () => use(descriptors.get(fd, syscall), ...args))()
    }

  /** Whole files by path, or by descriptor. */
  const wholeFile =
    (syscall: string, byPath: (file: PathLike | FileHandle, ...args: never[]) => Promise<unknown>): Operation =>
    (file: PathLike | number, ...args: never[]) =>
      typeof file === 'number' ? onHandle(syscall, byPath)(file, ...args) : byPath(file, ...args)

  const transfer = (
    syscall: string,
    count: 'bytesRead' | 'bytesWritten',
    buffers: 'buffer' | 'buffers',
    use: (handle: FileHandle, ...args: never[]) => Promise<object>,
  ) => {
    const operation = onHandle(syscall, use)
    const form = calledBack(operation, (value) => {
      const moved = value as Record<string, unknown>
      return [moved[count], moved[buffers]]
    })
    return promisified(form, async (...args: [number]) => operation(...args))
  }

  const open = (...args: [PathLike, OpenMode?, number?]): Promise<number> => on.open(...args).then(({ fd }) => fd)

  const realpath = calledBack(on.realpath)

  return {
    access: calledBack(on.access),
    appendFile: calledBack(wholeFile('write', on.appendFile)),
    chmod: calledBack(on.chmod),
    chown: calledBack(on.chown),
    copyFile: calledBack(on.copyFile),
    cp: calledBack(on.cp),
    exists: promisified((path: PathLike, callback: (isThere: boolean) => void): void => {
      mustBeFunction('cb', callback)
      void on.exists(path).then((isThere) => process.nextTick(callback, isThere))
    }, on.exists),
    glob: calledBack(async (...args: Parameters<typeof glob> extends [unknown, ...infer Rest] ? Rest : never) =>
      Array.fromAsync(glob(pool, ...args)),
    ),
    lchown: calledBack(on.lchown),
    link: calledBack(on.link),
    lstat: calledBack(on.lstat),
    lutimes: calledBack(on.lutimes),
    mkdir: calledBack(on.mkdir),
    mkdtemp: calledBack(on.mkdtemp),
    open: calledBack(open),
    opendir: calledBack(on.opendir),
    readFile: calledBack(wholeFile('read', on.readFile)),
    readdir: calledBack(on.readdir),
    readlink: calledBack(on.readlink),
    realpath: Object.assign(realpath, { native: realpath }),
    rename: calledBack(on.rename),
    rm: calledBack(on.rm),
    rmdir: calledBack(on.rmdir),
    stat: calledBack(on.stat),
    statfs: calledBack(on.statfs),
    symlink: calledBack(on.symlink),
    truncate: calledBack(on.truncate),
    unlink: calledBack(on.unlink),
    utimes: calledBack(on.utimes),
    writeFile: calledBack(wholeFile('write', on.writeFile)),

    /** Without a callback an error is thrown, as in node:fs: it is the program's mistake. */
    close(fd: number, callback?: Callback): void {
      if (callback !== undefined) mustBeFunction('cb', callback)
      const thrown: Callback = (error) => {
        if (error !== null) throw error
      }
      settle(onHandle('close', (handle) => handle.close())(fd), callback ?? thrown, () => [])
    },
    fchmod: calledBack(onHandle('fchmod', (handle, mode) => handle.chmod(mode))),
    fchown: calledBack(onHandle('fchown', (handle, uid, gid) => handle.chown(uid, gid))),
    fdatasync: calledBack(onHandle('fdatasync', (handle) => handle.datasync())),
    fstat: calledBack(onHandle('fstat', (handle, options) => handle.stat(options))),
    fsync: calledBack(onHandle('fsync', (handle) => handle.sync())),
    ftruncate: calledBack(onHandle('ftruncate', (handle, length) => handle.truncate(length))),
    futimes: calledBack(onHandle('futime', (handle, atime, mtime) => handle.utimes(atime, mtime))),
    read: transfer('read', 'bytesRead', 'buffer', (handle, ...args) => handle.read(...args)),
    readv: transfer('read', 'bytesRead', 'buffers', (handle, buffers, at) => handle.readv(buffers, at)),
    write: transfer('write', 'bytesWritten', 'buffer', (handle, ...args: [unknown]) => handle.write(...args)),
    writev: transfer('write', 'bytesWritten', 'buffers', (handle, buffers, at) => handle.writev(buffers, at)),
  }
}

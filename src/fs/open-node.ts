/** OpenNode: what a descriptor leads to, an open file of the pool or a directory. */
import { codeOf, systemError } from '../errors.ts'
import type { TimeLike } from '../files/attributes.ts'
import { setOwner, setPermissions, setTimes } from '../files/attributes.ts'
import { inodeAt } from '../files/paths.ts'
import type { Inode } from '../metadata/metadata.ts'
import type { File } from '../pool/file.ts'
import { parseFlags } from '../pool/open-flags.ts'
import type { Pool } from '../pool/pool.ts'
import { Stat } from '../pool/stat.ts'
import { Turns } from '../pool/turns.ts'

/** `position` null or nothing: where the descriptor is, which moves on. */
interface Part {
  readonly offset?: number
  readonly length?: number
  readonly position?: number | null
  readonly signal?: AbortSignal | undefined
}

export interface OpenNode {
  /** As it was opened, for errors. */
  readonly path: string
  read(buffer: NodeJS.ArrayBufferView, part: Part): Promise<{ bytesRead: number }>
  write(bytes: NodeJS.ArrayBufferView, part: Part): Promise<{ bytesWritten: number }>
  truncate(length: number): Promise<void>
  stat(): Promise<Stat>
  chmod(mode: number): Promise<void>
  chown(uid: number, gid: number): Promise<void>
  utimes(atime: TimeLike, mtime: TimeLike): Promise<void>
  sync(): Promise<void>
  close(): Promise<void>
}

/** Opens what is at the path. A pool opens no directories; node:fs does, for reading, to sync and stat them. */
export async function openNode(pool: Pool, path: string, flags: string | number, mode: number): Promise<OpenNode> {
  try {
    return fileNode(await pool.open(path, flags, { mode }), parseFlags(flags).mayWrite)
  } catch (error) {
    const { mayWrite, creates } = parseFlags(flags)
    if (mayWrite || creates || codeOf(error) !== 'EISDIR') throw error
    const inode = await inodeAt(pool.fileSystem, path, 'open')
    if (inode.kind !== 'directory') throw error
    return directoryNode(pool, path, inode)
  }
}

/** What reads or writes where the descriptor is goes one after the other, as in the kernel: each has bytes of its own. */
function fileNode(file: File, mayWrite: boolean): OpenNode {
  const turns = new Turns()
  const inTurn = <T>({ position, signal }: Part, action: () => Promise<T>): Promise<T> =>
    typeof position === 'number' ? action() : turns.take(file, signal, action)
  return {
    path: file.path,
    read: (buffer, part) => inTurn(part, () => file.read(buffer, part)),
    write: (bytes, part) => inTurn(part, () => file.write(bytes, part)),
    async truncate(length) {
      // As Linux; in a pool what may not be written is EBADF for every change.
      if (!mayWrite)
        throw systemError('EINVAL', 'the file was not opened for writing', { syscall: 'ftruncate', path: file.path })
      await file.truncate(length)
    },
    stat: () => file.stat(),
    chmod: (mode) => file.chmod(mode),
    chown: (uid, gid) => file.chown(uid, gid),
    utimes: (atime, mtime) => file.utimes(atime, mtime),
    sync: () => file.sync(),
    close: () => file.close(),
  }
}

/** A directory claims nothing: one that is removed meanwhile is gone (ENOENT), where the host would still have its inode. */
function directoryNode(pool: Pool, path: string, { ino }: Inode): OpenNode {
  const fs = pool.fileSystem
  const subject = { ino, path }
  const refuse = (code: string, what: string, syscall: string) => (): Promise<never> =>
    Promise.reject(systemError(code, what, { syscall, path }))
  return {
    path,
    read: refuse('EISDIR', 'this is a directory', 'read'),
    write: refuse('EBADF', 'this is a directory, open for reading', 'write'),
    truncate: refuse('EINVAL', 'this is a directory, open for reading', 'ftruncate'),
    async stat() {
      const inode = await fs.known.lookUpInode(ino)
      if (inode === undefined) throw systemError('ENOENT', 'the directory was removed', { syscall: 'fstat', path })
      return new Stat(inode)
    },
    chmod: (mode) => setPermissions(fs, subject, mode),
    chown: (uid, gid) => setOwner(fs, subject, uid, gid),
    utimes: (atime, mtime) => setTimes(fs, subject, atime, mtime),
    sync: () => pool.sync(),
    close: () => Promise.resolve(),
  }
}

/** The operations by opcode, and what the loop needs to begin and end with them. */
import { systemError } from '../errors.ts'
import type { Pool } from '../index.ts'
import { Handles } from './handles.ts'
import { Nodes } from './nodes.ts'
import { getattr, setattr, statx } from './operations/attributes.ts'
import { copyFileRange, copyFileRange64, lseek, read, write } from './operations/data.ts'
import { opendir, readdir, readdirplus, releasedir } from './operations/directories.ts'
import { batchForget, forget, lookup, readlink } from './operations/lookups.ts'
import { link, mkdir, mknod, rename, rename2, rmdir, symlink, unlink } from './operations/names.ts'
import { create, flush, fsync, fsyncdir, open, release, syncfs, tmpfile } from './operations/open-files.ts'
import { fallocate, statfs } from './operations/space.ts'
import { getxattr, listxattr, removexattr, setxattr } from './operations/xattrs.ts'
import type { MountOptions } from './options.ts'
import type { Mounted, Operation } from './request.ts'
import { InitFlag } from './wire/init.ts'
import { Opcode, OPCODES_END } from './wire/opcodes.ts'

/** No request of ioctl(2) means anything here: ENOTTY, as for every file that is no device. */
const ioctl: Operation = () => {
  throw systemError('ENOTTY', 'files of a pool take no such requests', { syscall: 'ioctl' })
}

const byName: Partial<Record<keyof typeof Opcode, Operation>> = {
  lookup,
  forget,
  batchForget,
  getattr,
  statx,
  setattr,
  readlink,
  symlink,
  mknod,
  mkdir,
  unlink,
  rmdir,
  rename,
  rename2,
  link,
  open,
  create,
  tmpfile,
  read,
  write,
  lseek,
  copyFileRange,
  copyFileRange64,
  fallocate,
  statfs,
  flush,
  release,
  fsync,
  fsyncdir,
  syncfs,
  opendir,
  readdir,
  readdirplus,
  releasedir,
  getxattr,
  listxattr,
  setxattr,
  removexattr,
  ioctl,
}

/** By opcode; undefined: ENOSYS, after which the kernel does without (locks, poll, access and bmap it does itself). */
export const operations: readonly (Operation | undefined)[] = Array.from({ length: OPCODES_END }, (_, opcode) => {
  const [name] = Object.entries(Opcode).find(([, each]) => each === opcode) ?? []
  return name === undefined ? undefined : byName[name as keyof typeof Opcode]
})

/** What is asked of the kernel. */
export const wantedFlags = ({ cache }: MountOptions): bigint =>
  InitFlag.asyncRead |
  InitFlag.atomicTruncate |
  InitFlag.exportSupport |
  InitFlag.bigWrites |
  InitFlag.ioctlDirectory |
  InitFlag.asyncDirectIo |
  InitFlag.parallelDirectoryOperations |
  InitFlag.maxPages |
  InitFlag.handleKillPrivilegesV2 |
  InitFlag.setxattrExtended |
  InitFlag.initExtended |
  InitFlag.directIoAllowMmap |
  InitFlag.posixAcl |
  InitFlag.dontMask |
  (cache === 'auto'
    ? InitFlag.autoInvalidateData |
      InitFlag.cacheSymlinks |
      // Attributes that may not be kept would be read for nothing.
      InitFlag.readdirplus |
      InitFlag.readdirplusAuto
    : 0n)

export const createMounted = (mount: {
  readonly pool: Pool
  readonly options: MountOptions
  readonly negotiated: bigint
}): Mounted => ({ ...mount, fs: mount.pool.fileSystem, handles: new Handles(), nodes: new Nodes() })

/** After the unmount: closes what the kernel left open. */
export async function endMounted({ fs, handles }: Mounted): Promise<void> {
  handles.directories.takeAll()
  for (const { open: opened } of handles.files.takeAll()) await fs.openInodes.close(fs, opened)
}

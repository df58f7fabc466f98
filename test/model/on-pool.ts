/** A pool that is asked to do operations: what each of them is in the public face. Runs in any process. */
import type { File, Pool, Stat } from '../../src/index.ts'
import { openPool } from '../../src/index.ts'
import type { Arguments, Operation, OperationName, Outcome, StatOutcome } from './operations.ts'
import { bytesOf, outcomeOf } from './operations.ts'

type Run<Name extends OperationName> = (on: OnPool, operation: Arguments[Name]) => unknown

/** A file as a whole tree is compared by: its bytes as far as there are blocks. */
export interface Portrait {
  readonly path: string
  readonly stat: StatOutcome
  readonly target: string | undefined
  readonly names: readonly string[]
  readonly xattrs: readonly (readonly [string, Uint8Array])[]
  readonly pieces: readonly (readonly [offset: number, bytes: Uint8Array])[]
}

/** Bytes that are read of one file for its portrait, at most. */
const MOST_BYTES = 1 << 20

export class OnPool {
  pool: Pool
  readonly #files = new Map<number, File>()

  constructor(pool: Pool) {
    this.pool = pool
  }

  perform(operation: Operation): Promise<Outcome> {
    const run = OPERATIONS[operation.op] as (on: OnPool, what: Operation) => unknown
    return outcomeOf(() => run(this, operation))
  }

  file(slot: number): File {
    const file = this.#files.get(slot)
    if (file === undefined) throw new Error(`slot ${slot} has nothing open`)
    return file
  }

  async keep(slot: number, open: () => Promise<File>): Promise<void> {
    await this.close(slot)
    this.#files.set(slot, await open())
  }

  async close(slot: number): Promise<void> {
    await this.#files.get(slot)?.close()
    this.#files.delete(slot)
  }

  async reopen(): Promise<void> {
    await this.pool.close()
    this.#files.clear()
    this.pool = await openPool(this.pool.path)
  }

  /** Everything there is, directories before what is in them. */
  async tree(): Promise<Portrait[]> {
    const portraits: Portrait[] = []
    await this.#portray('/', portraits)
    return portraits
  }

  async #portray(path: string, portraits: Portrait[]): Promise<void> {
    const { pool } = this
    const found = await pool.lstat(path)
    const names = found.isDirectory() ? await pool.readdir(path) : []
    const target = found.isSymbolicLink() ? await pool.readlink(path) : undefined
    const xattrs: [string, Uint8Array][] = []
    // By way of a symlink they would be its target's.
    if (!found.isSymbolicLink())
      for (const name of await pool.listXattrs(path)) xattrs.push([name, await pool.getXattr(path, name)])
    const pieces = found.isFile() ? await piecesOf(pool, path) : []
    portraits.push({ path, stat: plain(found), target, names, xattrs, pieces })
    for (const name of names) await this.#portray(`${path === '/' ? '' : path}/${name}`, portraits)
  }
}

async function piecesOf(pool: Pool, path: string): Promise<[number, Uint8Array][]> {
  await using file = await pool.open(path, 'r')
  const { size } = await file.stat()
  if (size <= MOST_BYTES) return [[0, await pool.readFile(path)]]
  const pieces: [number, Uint8Array][] = []
  let left = MOST_BYTES
  for (let at = 0; at < size && left > 0;) {
    const data = await outcomeOf(() => file.seekData(at))
    if ('code' in data) break
    const start = data.value as number
    const end = Math.min(await file.seekHole(start), start + left)
    const bytes = Buffer.alloc(end - start)
    await file.read(bytes, { position: start })
    pieces.push([start, bytes])
    left -= bytes.length
    at = end
  }
  return pieces
}

/** Structured clone keeps no getters and methods. */
function plain(stat: Stat): StatOutcome {
  const { ino, mode, nlink, uid, gid, rdev, size, blocks, atimeNs, mtimeNs, changeCount, busy, dax } = stat
  return {
    ino,
    mode,
    nlink,
    uid,
    gid,
    rdev,
    size,
    blocks,
    atimeNs,
    mtimeNs,
    changeCount,
    busy,
    dax,
  }
}

const OPERATIONS: { readonly [Name in OperationName]: Run<Name> } = {
  open: (on, { slot, path, flags, mode }) => on.keep(slot, () => on.pool.open(path, flags, { mode })),
  openUnnamed: (on, { slot, path, mode }) => on.keep(slot, () => on.pool.openUnnamed(path, { mode })),
  readFile: (on, { path }) => on.pool.readFile(path),
  writeFile: (on, { path, data, flags }) => on.pool.writeFile(path, bytesOf(data), { flags }),
  copyFile: (on, { path, dest, exclusive }) => on.pool.copyFile(path, dest, { exclusive }),
  truncate: (on, { path, length }) => on.pool.truncate(path, length),
  mkdir: (on, { path, mode, recursive = false }) =>
    on.pool.mkdir(path, { recursive, ...(mode === undefined ? {} : { mode }) }),
  mknod: (on, { path, of, rdev }) => on.pool.mknod(path, of, { rdev }),
  symlink: (on, { target, path }) => on.pool.symlink(target, path),
  readlink: (on, { path }) => on.pool.readlink(path),
  link: (on, { path, dest }) => on.pool.link(path, dest),
  unlink: (on, { path }) => on.pool.unlink(path),
  rmdir: (on, { path }) => on.pool.rmdir(path),
  rename: (on, { path, dest, mode }) =>
    on.pool.rename(path, dest, { noReplace: mode === 'noReplace', exchange: mode === 'exchange' }),
  readdir: (on, { path }) => on.pool.readdir(path),
  stat: async (on, { path }) => plain(await on.pool.stat(path)),
  lstat: async (on, { path }) => plain(await on.pool.lstat(path)),
  exists: (on, { path }) => on.pool.exists(path),
  access: (on, { path, mode }) => on.pool.access(path, mode),
  realpath: (on, { path }) => on.pool.realpath(path),
  chmod: (on, { path, mode }) => on.pool.chmod(path, mode),
  chown: (on, { path, uid, gid }) => on.pool.chown(path, uid, gid),
  lchown: (on, { path, uid, gid }) => on.pool.lchown(path, uid, gid),
  utimes: (on, { path, atime, mtime }) => on.pool.utimes(path, atime, mtime),
  lutimes: (on, { path, atime, mtime }) => on.pool.lutimes(path, atime, mtime),
  configure: (on, { path, change }) => on.pool.configure(path, change),
  setXattr: (on, { path, name, value, mode }) => on.pool.setXattr(path, name, bytesOf(value), mode),
  getXattr: (on, { path, name }) => on.pool.getXattr(path, name),
  listXattrs: (on, { path }) => on.pool.listXattrs(path),
  removeXattr: (on, { path, name }) => on.pool.removeXattr(path, name),

  close: (on, { slot }) => on.close(slot),
  async fread(on, { slot, offset, length, at }) {
    const buffer = Buffer.alloc(offset + length)
    const { bytesRead } = await on.file(slot).read(buffer, { offset, length, position: at })
    return buffer.subarray(offset, offset + bytesRead)
  },
  async fwrite(on, { slot, data, at }) {
    return (await on.file(slot).write(bytesOf(data), { position: at })).bytesWritten
  },
  ftruncate: (on, { slot, length }) => on.file(slot).truncate(length),
  punchHole: (on, { slot, offset, length }) => on.file(slot).punchHole(offset, length),
  zeroRange: (on, { slot, offset, length, keepSize }) => on.file(slot).zeroRange(offset, length, { keepSize }),
  collapseRange: (on, { slot, offset, length }) => on.file(slot).collapseRange(offset, length),
  insertRange: (on, { slot, offset, length }) => on.file(slot).insertRange(offset, length),
  allocate: (on, { slot, offset, length, keepSize }) => on.file(slot).allocate(offset, length, { keepSize }),
  seekData: (on, { slot, offset }) => on.file(slot).seekData(offset),
  seekHole: (on, { slot, offset }) => on.file(slot).seekHole(offset),
  copyFrom: (on, { slot, from, offset, length, position }) =>
    on.file(slot).copyFrom(on.file(from), { offset, length, position }),
  fstat: async (on, { slot }) => plain(await on.file(slot).stat()),
  fchmod: (on, { slot, mode }) => on.file(slot).chmod(mode),
  fchown: (on, { slot, uid, gid }) => on.file(slot).chown(uid, gid),
  futimes: (on, { slot, atime, mtime }) => on.file(slot).utimes(atime, mtime),
  fconfigure: (on, { slot, change }) => on.file(slot).configure(change),
  fsetXattr: (on, { slot, name, value, mode }) => on.file(slot).setXattr(name, bytesOf(value), mode),
  fgetXattr: (on, { slot, name }) => on.file(slot).getXattr(name),
  flistXattrs: (on, { slot }) => on.file(slot).listXattrs(),
  fremoveXattr: (on, { slot, name }) => on.file(slot).removeXattr(name),
  flink: (on, { slot, dest }) => on.file(slot).link(dest),
  fsync: (on, { slot }) => on.file(slot).sync(),
}

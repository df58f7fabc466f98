/**
 * Operations on a tree of files, as plain data: what the model, a pool and the kernel are asked to do, each in its own way.
 * Operations of open files name them by `slot`; what a slot has open belongs to the participant that opened it.
 */
import type { BusyPolicy, DaxMode, InodeKind, RenameMode, XattrMode } from '../../src/metadata/metadata.ts'

/** Which participant does it. */
export type Who = 0 | 1

/** Bytes that say where they come from, without zeros. */
export interface Data {
  readonly seed: number
  readonly length: number
}

export interface Policies {
  readonly busy?: BusyPolicy | null
  readonly dax?: DaxMode | null
}

interface ByPath {
  readonly by: Who
  readonly path: string
}

interface BySlot {
  readonly slot: number
}

interface InRange extends BySlot {
  readonly offset: number
  readonly length: number
}

/** What each operation takes, by its name. */
export interface Arguments {
  open: ByPath & BySlot & { readonly flags: string | number; readonly mode?: number }
  openUnnamed: ByPath & BySlot & { readonly mode?: number }
  readFile: ByPath
  writeFile: ByPath & { readonly data: Data; readonly flags: string }
  copyFile: ByPath & { readonly dest: string; readonly exclusive: boolean }
  truncate: ByPath & { readonly length: number }
  mkdir: ByPath & { readonly mode?: number; readonly recursive?: boolean }
  mknod: ByPath & {
    readonly of: Exclude<InodeKind, 'directory' | 'symlink'>
    readonly rdev: number
  }
  symlink: ByPath & { readonly target: string }
  readlink: ByPath
  link: ByPath & { readonly dest: string }
  unlink: ByPath
  rmdir: ByPath
  rename: ByPath & { readonly dest: string; readonly mode: RenameMode }
  readdir: ByPath
  stat: ByPath
  lstat: ByPath
  exists: ByPath
  access: ByPath & { readonly mode: number }
  realpath: ByPath
  chmod: ByPath & { readonly mode: number }
  chown: ByPath & { readonly uid: number; readonly gid: number }
  lchown: ByPath & { readonly uid: number; readonly gid: number }
  utimes: ByPath & { readonly atime: number; readonly mtime: number }
  lutimes: ByPath & { readonly atime: number; readonly mtime: number }
  configure: ByPath & { readonly change: Policies }
  setXattr: ByPath & { readonly name: string; readonly value: Data; readonly mode: XattrMode }
  getXattr: ByPath & { readonly name: string }
  listXattrs: ByPath
  removeXattr: ByPath & { readonly name: string }

  close: BySlot
  fread: InRange & { readonly at: number | null }
  fwrite: BySlot & { readonly data: Data; readonly at: number | null }
  ftruncate: BySlot & { readonly length: number }
  punchHole: InRange
  zeroRange: InRange & { readonly keepSize: boolean }
  collapseRange: InRange
  insertRange: InRange
  allocate: InRange & { readonly keepSize: boolean }
  seekData: BySlot & { readonly offset: number }
  seekHole: BySlot & { readonly offset: number }
  copyFrom: InRange & { readonly from: number; readonly position: number }
  fstat: BySlot
  fchmod: BySlot & { readonly mode: number }
  fchown: BySlot & { readonly uid: number; readonly gid: number }
  futimes: BySlot & { readonly atime: number; readonly mtime: number }
  fconfigure: BySlot & { readonly change: Policies }
  fsetXattr: BySlot & { readonly name: string; readonly value: Data; readonly mode: XattrMode }
  fgetXattr: BySlot & { readonly name: string }
  flistXattrs: BySlot
  fremoveXattr: BySlot & { readonly name: string }
  flink: BySlot & { readonly dest: string }
  fsync: BySlot
}

export type OperationName = keyof Arguments

export type OperationOf<Name extends OperationName> = Arguments[Name] & { readonly op: Name }

export type Operation = { [Name in OperationName]: OperationOf<Name> }[OperationName]

/** What came of an operation: a value, or the code of the error. Plain data, so that processes can tell each other. */
export type Outcome = { readonly value: unknown } | { readonly code: string }

/** What `stat` says; of a host what it has. */
export interface StatOutcome {
  readonly ino: number
  /** With the bits of the kind. */
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly rdev: number
  readonly size: number
  readonly blocks: number
  /** A pool keeps what was set; a host notes every reading. */
  readonly atimeNs?: bigint
  readonly mtimeNs: bigint
  readonly changeCount?: number
  readonly busy?: BusyPolicy | undefined
  readonly dax?: DaxMode | undefined
}

export function bytesOf({ seed, length }: Data): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  for (let i = 0; i < length; i++) bytes[i] = 1 + ((seed * 37 + i * 7 + (i >>> 8)) % 255)
  return bytes
}

/** Runs one, and keeps the code of what it throws. */
export async function outcomeOf(run: () => unknown): Promise<Outcome> {
  try {
    return { value: await run() }
  } catch (error) {
    const { code } = error as { code?: unknown }
    if (typeof code !== 'string') throw error
    return { code }
  }
}

/** One line, for the report of a failure. */
export function textOf(operation: Operation): string {
  const { op, ...rest } = operation
  const words = Object.entries(rest).map(([name, value]) => `${name}: ${shown(value)}`)
  return `${op}(${words.join(', ')})`
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length <= 80 ? text : `${text.slice(0, 60)}… (${text.length})`
}

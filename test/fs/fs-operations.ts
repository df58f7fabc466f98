/**
 * Random operations of an `fs`, as plain data, and what came of each: they are done on node:fs and on a pool, by promises or by
 * callbacks. Names are few, so that operations meet.
 */
import type * as nodeFs from 'node:fs'
import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import type { PoolFs } from '../../src/fs/index.ts'

/** node:fs, or that of a pool. */
export type AnyFs = PoolFs | typeof nodeFs

export interface Operation {
  readonly op: string
  readonly args: readonly unknown[]
  readonly via: 'promises' | 'callback'
  /** Of an operation of an open file: which. */
  readonly slot?: number
}

/** What both must have in common: a value, or all that an error says but its message. */
export type Outcome = { readonly value: unknown } | { readonly error: Record<string, unknown> }

export const SLOTS = 3

/** One `fs` in which paths are relative: node:fs in a directory, or a pool in its root. */
export class Subject {
  readonly fs: AnyFs
  /** What absolute paths begin with: '' in a pool. */
  readonly #root: string
  readonly #open = new Map<number, FileHandle | number>()
  #rootIno = 0n

  constructor(fs: AnyFs, root: string) {
    this.fs = fs
    this.#root = root
  }

  async perform({ op, args, via, slot }: Operation): Promise<Outcome> {
    this.#rootIno ||= (await this.fs.promises.stat('.', { bigint: true })).ino
    try {
      return { value: await this.#run(op, args, via, slot) }
    } catch (error) {
      const { code, syscall, path, dest, errno, name } = error as NodeJS.ErrnoException & { dest?: string }
      if (code === undefined) throw error
      // A text of random letters.
      const about = syscall === 'mkdtemp' ? undefined : path
      return { error: { code, syscall, path: this.#plain(about), dest: this.#plain(dest), errno, name } }
    }
  }

  async #run(op: string, args: readonly unknown[], via: Operation['via'], slot: number | undefined): Promise<unknown> {
    if (op === 'open') return this.#openIn(slot!, args, via)
    // What it does with a directory depends on the target, which may go (libuv removes it).
    if (op === 'copyFile' && (await this.#isDirectory(args[0]))) return 'of a directory'
    if (op === 'mkdtemp') return this.#temporary(args, via)
    if (slot === undefined) return this.#told(op, await this.#call(via, op, args))
    const open = this.#open.get(slot)
    if (open === undefined) return 'not open'
    if (op === 'close') this.#open.delete(slot)
    if (typeof open !== 'number') return this.#told(op, await call(open, op, args))
    return this.#told(op, await this.#call('callback', BY_DESCRIPTOR[op] ?? op, [open, ...args]))
  }

  #call(via: Operation['via'], op: string, args: readonly unknown[]): Promise<unknown> {
    if (via === 'promises') return call(this.fs.promises, op, args)
    const operation = (this.fs as unknown as Record<string, (...all: unknown[]) => void>)[op]
    const promised: (...all: unknown[]) => Promise<unknown> = promisify(operation)
    return promised(...args)
  }

  async #temporary(args: readonly unknown[], via: Operation['via']): Promise<string> {
    const path = String(await this.#call(via, 'mkdtemp', args))
    await this.fs.promises.rmdir(path)
    return path.slice(0, -6)
  }

  async #isDirectory(path: unknown): Promise<boolean> {
    return this.fs.promises.stat(path as string).then(
      (stat) => stat.isDirectory(),
      () => false,
    )
  }

  /** A directory that was opened is closed again: a pool does not keep one that is removed meanwhile. */
  async #openIn(slot: number, args: readonly unknown[], via: Operation['via']): Promise<string> {
    await this.closeSlot(slot)
    const open = (await this.#call(via, 'open', args)) as FileHandle | number
    this.#open.set(slot, open)
    const stat = typeof open === 'number' ? await promisify(this.fs.fstat)(open) : await open.stat()
    if (!stat.isDirectory()) return 'a file'
    await this.closeSlot(slot)
    return 'a directory'
  }

  async closeSlot(slot: number): Promise<void> {
    const open = this.#open.get(slot)
    this.#open.delete(slot)
    if (typeof open === 'number') await promisify(this.fs.close)(open)
    else await open?.close()
  }

  /** Everything there is. */
  async tree(): Promise<unknown> {
    const entries = await this.fs.promises.readdir('.', { recursive: true, withFileTypes: true })
    const names = entries.map((entry) => join(entry.parentPath, entry.name))
    const found: unknown[] = []
    for (const name of names.filter((each) => each !== 'lost+found').toSorted()) {
      const stat = await this.fs.promises.lstat(name)
      const content = stat.isFile() ? (await this.fs.promises.readFile(name)).toString('latin1') : undefined
      const target = stat.isSymbolicLink() ? this.#plain(await this.fs.promises.readlink(name)) : undefined
      found.push([name, this.#told('lstat', stat), content, target])
    }
    return found
  }

  /** What is the same in both. */
  #told(op: string, value: unknown): unknown {
    if (op === 'statfs') return typeof value
    if (Array.isArray(value))
      return value
        .filter((each) => !String((each as nodeFs.Dirent | null)?.name ?? each).startsWith('lost+found'))
        .map((each) => this.#told(op, each))
        .toSorted(byJson)
    if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1')
    if (typeof value === 'string') return this.#plain(value)
    if (typeof value !== 'object' || value === null) return value
    if ('isDirectory' in value && 'ino' in value)
      return statOf(value as nodeFs.Stats | nodeFs.BigIntStats, this.#rootIno)
    if ('isDirectory' in value) return direntOf(value as nodeFs.Dirent)
    if ('bytesRead' in value && 'buffer' in value)
      return [value.bytesRead, Buffer.from(value.buffer as Buffer).toString('latin1')]
    // What node:fs calls `buffers` is `buffer` when fs.writev is promisified.
    return Object.fromEntries(
      Object.entries(value).map(([name, each]) => [name.replace(/s$/, ''), this.#told(op, each)]),
    )
  }

  #plain(text: string | undefined): string | undefined {
    if (text === undefined || this.#root === '' || !text.startsWith(this.#root)) return text
    return text.slice(this.#root.length) || '/'
  }
}

const byJson = (a: unknown, b: unknown): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)

const call = (on: object, op: string, args: readonly unknown[]): Promise<unknown> =>
  (on as Record<string, (...all: unknown[]) => Promise<unknown>>)[op](...args)

/** Sizes of directories and times that nobody set are the file system's own. */
function statOf(stat: nodeFs.Stats | nodeFs.BigIntStats, rootIno: bigint): unknown {
  const { mode, uid, gid, rdev, mtimeMs } = stat
  // libuv gives the copy of an empty file the times of the other.
  const isSet = mtimeMs < 1e12 && (!stat.isFile() || stat.size > 0)
  // lost+found is one more in the root.
  const nlink = BigInt(stat.ino) === rootIno ? 0 : stat.nlink
  return [
    mode,
    nlink,
    uid,
    gid,
    rdev,
    stat.isFile() ? stat.size : 0,
    isSet ? mtimeMs : 'now',
    stat.isSymbolicLink(),
  ].map(String)
}

function direntOf(entry: nodeFs.Dirent): unknown {
  return [entry.name, entry.parentPath, entry.isDirectory(), entry.isFile(), entry.isSymbolicLink()]
}

const BY_DESCRIPTOR: Readonly<Record<string, string>> = {
  stat: 'fstat',
  chmod: 'fchmod',
  truncate: 'ftruncate',
  utimes: 'futimes',
  sync: 'fsync',
  datasync: 'fdatasync',
}

const name = fc.constantFrom('a', 'b', 'c')
const plainPath = fc.oneof(
  { weight: 5, arbitrary: name },
  { weight: 4, arbitrary: fc.tuple(name, name).map((names) => names.join('/')) },
  { weight: 2, arbitrary: fc.tuple(name, name, name).map((names) => names.join('/')) },
)
const path: fc.Arbitrary<string | Buffer> = fc.oneof(
  { weight: 20, arbitrary: plainPath },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.constantFrom('./', ''), plainPath, fc.constantFrom('/', '//', '/.')).map((p) => p.join('')),
  },
  { weight: 2, arbitrary: plainPath.map((text) => Buffer.from(text)) },
  { weight: 1, arbitrary: fc.constantFrom('', '.', './', 'n'.repeat(256), 'é', 'a\0b') },
)
const bytes = fc.nat(9000).map((length) => Buffer.alloc(length, 'content '))
const someBytes = bytes.map((each) => (each.length === 0 ? Buffer.from('some') : each))
const text = fc.constantFrom('', 'text', 'ünïcode', 'x'.repeat(5000))
const data = fc.oneof(
  { weight: 4, arbitrary: bytes },
  { weight: 3, arbitrary: text },
  { weight: 1, arbitrary: fc.constantFrom([], ['one', 'two'], 5, null) },
)
const mode = fc.constantFrom(undefined, 0o600, 0o644, 0o755, '640')
const anyMode = fc.oneof(mode, fc.constantFrom('no', -1, 0o100_644))
const flags = fc.constantFrom('r', 'r+', 'w+', 'wx+', 'xw+', 'a+', 'as+', 'rs', undefined, 'q', constants.O_RDWR)
const position = fc.constantFrom(null, null, undefined, 0, 1, 4096, -1, 10_000)
const seconds = fc.nat(2 ** 31).map((quarters) => quarters / 4)
const encoding = fc.constantFrom(undefined, null, 'utf8', 'latin1', 'hex', 'base64', 'no')
// Whether nothing at all may be read or written is asked by some forms of node:fs and not by others.
const whole = (...allowed: (string | undefined)[]): fc.Arbitrary<object> =>
  fc.record({ encoding, flag: fc.constantFrom(undefined, 'q', ...allowed), mode }, { requiredKeys: [] })
const reading = whole('r', 'r+', 'a+', 'wx+')
const writing = whole('w', 'a', 'wx', 'r+', 'as')

const ARGUMENTS: Readonly<Record<string, fc.Arbitrary<readonly unknown[]>>> = {
  access: fc.tuple(path, fc.constantFrom(undefined, 0, 4, 7, 8)),
  appendFile: fc.tuple(path, data),
  chmod: fc.tuple(path, anyMode),
  // libuv as root gives copies the owner of what was copied.
  chown: fc.tuple(path, fc.constant(0), fc.constantFrom(0, -1, 1.5)),
  copyFile: fc.tuple(path, path, fc.constantFrom(undefined, 0, 1, 8)),
  // Of strings only: node:fs takes no Buffers here.
  cp: fc.tuple(
    path.map(String),
    path.map(String),
    fc.record(
      {
        recursive: fc.boolean(),
        force: fc.boolean(),
        errorOnExist: fc.boolean(),
        dereference: fc.boolean(),
        verbatimSymlinks: fc.boolean(),
      },
      { requiredKeys: [] },
    ),
  ),
  // '**' with more behind it follows some symlinks in node:fs: test/fs/glob.test.ts has trees without.
  glob: fc.tuple(fc.constantFrom('*', '**', 'a/*', '{a,b}/*', 'a', '*/', '[ab]', 'no/*', '*/b/*')),
  lchown: fc.tuple(path, fc.constant(0), fc.constant(0)),
  link: fc.tuple(path, path),
  lstat: fc.tuple(path, fc.constantFrom(undefined, { bigint: true }, { throwIfNoEntry: false })),
  lutimes: fc.tuple(path, seconds, seconds),
  mkdir: fc.tuple(path, fc.oneof(mode, fc.record({ recursive: fc.boolean(), mode }, { requiredKeys: [] }))),
  mkdtemp: fc.tuple(plainPath),
  readFile: fc.tuple(path, fc.oneof(encoding, reading)),
  readdir: fc.tuple(
    path.map(String),
    fc.oneof(
      fc.constantFrom(undefined, null, 'utf8', 'latin1', 'buffer', 'no'),
      fc.constantFrom({ withFileTypes: true }, { withFileTypes: true, recursive: true }, { recursive: false }),
    ),
  ),
  readlink: fc.tuple(path),
  realpath: fc.tuple(path),
  rename: fc.tuple(path, path),
  // A symlink with a '/' behind it is a directory when it is looked at, and none when it is removed.
  rm: fc.tuple(plainPath, fc.record({ recursive: fc.boolean(), force: fc.boolean() }, { requiredKeys: [] })),
  rmdir: fc.tuple(path),
  stat: fc.tuple(path, fc.constantFrom(undefined, { bigint: true }, { throwIfNoEntry: false })),
  statfs: fc.tuple(path),
  symlink: fc.tuple(fc.constantFrom('a', 'b', 'c', 'a/b', 'no', 'b/../c'), path),
  truncate: fc.tuple(path, fc.constantFrom(undefined, 0, 100, 5000, -1)),
  unlink: fc.tuple(path),
  utimes: fc.tuple(path, seconds, seconds),
  writeFile: fc.tuple(path, data, fc.oneof(encoding, writing)),
}

const ARGUMENTS_OF_HANDLES: Readonly<Record<string, fc.Arbitrary<readonly unknown[]>>> = {
  open: fc.tuple(path, flags, mode),
  close: fc.constant([]),
  stat: fc.constant([]),
  chmod: fc.tuple(anyMode),
  truncate: fc.tuple(fc.constantFrom(undefined, 0, 100, 6000, -1)),
  utimes: fc.tuple(seconds, seconds),
  sync: fc.constant([]),
  datasync: fc.constant([]),
  read: fc.oneof(
    fc.tuple(
      fc.nat(100).map((length) => Buffer.alloc(length)),
      fc.constantFrom(0, 0, 1, 7, null, 200),
      fc.constantFrom(0, 10, 100),
      position,
    ),
    fc.tuple(fc.record({ position, length: fc.constantFrom(1, 50) }, { requiredKeys: [] })),
  ),
  write: fc.oneof(
    fc.tuple(someBytes, fc.constantFrom(undefined, null, 0, 5, 9999), fc.constantFrom(undefined, null, 0, 3), position),
    fc.tuple(fc.constantFrom('text', 'ünïcode'), position, fc.constantFrom(undefined, 'utf8', 'latin1', 'no')),
  ),
  readv: fc.tuple(
    fc.array(fc.nat(50), { maxLength: 3 }).map((lengths) => lengths.map((length) => Buffer.alloc(length + 1))),
    position,
  ),
  writev: fc.tuple(fc.array(bytes, { minLength: 1, maxLength: 3 }), position),
  readFile: fc.tuple(encoding),
  writeFile: fc.tuple(fc.oneof(someBytes, fc.constantFrom('abcd', 5)), encoding),
  appendFile: fc.tuple(fc.oneof(someBytes, fc.constantFrom('abcd', null)), encoding),
}

/** Callbacks of node:fs have no form of these, or check arguments otherwise (iterables are for promises only). */
const isPossible = ({ op, args, via, slot }: Operation): boolean => {
  // The root has something in it that is not to be removed or moved.
  if (
    ['rm', 'cp', 'rename', 'rmdir'].includes(op) &&
    args.some((each) => /^[./]+$/.test(Buffer.isBuffer(each) ? each.toString() : typeof each === 'string' ? each : ''))
  )
    return false
  if (via === 'promises' && slot === undefined) return true
  // The callback form goes from name to name, and says which; and it follows symlinks down.
  if (op === 'realpath' || (op === 'readdir' && args.some((each) => isRecursive(each)))) return false
  return !args.some((each) => Array.isArray(each) && each.every((part) => typeof part === 'string'))
}

const isRecursive = (options: unknown): boolean =>
  typeof options === 'object' && options !== null && 'recursive' in options

const ways = fc.constantFrom<Operation['via']>('promises', 'callback')

export const operations: fc.Arbitrary<Operation> = fc
  .oneof(
    {
      weight: 3,
      arbitrary: fc.oneof(
        ...Object.entries(ARGUMENTS).map(([op, args]) => fc.record({ op: fc.constant(op), args, via: ways })),
      ),
    },
    {
      weight: 2,
      arbitrary: fc.oneof(
        ...Object.entries(ARGUMENTS_OF_HANDLES).map(([op, args]) =>
          fc.record({ op: fc.constant(op), args, via: ways, slot: fc.nat(SLOTS - 1) }),
        ),
      ),
    },
  )
  .filter(isPossible)

export const PRELUDE: readonly Operation[] = [
  { op: 'mkdir', args: ['a'], via: 'promises' },
  { op: 'mkdir', args: ['a/b'], via: 'callback' },
  { op: 'writeFile', args: ['a/c', 'in a/c'], via: 'promises' },
  { op: 'writeFile', args: ['b', Buffer.alloc(5000, 'b')], via: 'callback' },
  { op: 'symlink', args: ['a', 'c'], via: 'promises' },
  { op: 'open', args: ['b', 'r+'], via: 'promises', slot: 0 },
  { op: 'open', args: ['a/c', 'a+'], via: 'callback', slot: 1 },
]

/** One line, for the report of a failure. */
export const textOf = ({ op, args, via, slot }: Operation): string =>
  `${slot === undefined ? '' : `slot ${slot}: `}${op}(${args.map(shown).join(', ')}) via ${via}`

function shown(value: unknown): string {
  if (Buffer.isBuffer(value)) return `Buffer(${value.length <= 20 ? value.toString() : value.length})`
  const shownText = JSON.stringify(value) ?? String(value)
  return shownText.length <= 80 ? shownText : `${shownText.slice(0, 60)}… (${shownText.length})`
}

/**
 * Random operations. Names are few, so that operations meet; offsets are near the edges of blocks, and of what a file can
 * have.
 */
import { constants } from 'node:fs'
import fc from 'fast-check'
import { MAX_FILE_SIZE } from '../../src/units.ts'
import { BLOCK } from './model-file.ts'
import type { Arguments, Data, Operation, OperationName, Policies, Who } from './operations.ts'

export const SLOTS = 4

const who: fc.Arbitrary<Who> = fc.constantFrom(0, 1)
const slot = fc.nat(SLOTS - 1)
const name = fc.constantFrom('a', 'b', 'c')

const plainPath = fc
  .oneof(
    { weight: 5, arbitrary: fc.tuple(name) },
    { weight: 4, arbitrary: fc.tuple(name, name) },
    { weight: 1, arbitrary: fc.tuple(name, name, name) },
  )
  .map((names) => `/${names.join('/')}`)

const LONGEST_NAME = 'n'.repeat(255)
/** 255 bytes and more in UTF-8, of fewer characters. */
const LONGEST_WIDE_NAME = `${'é'.repeat(127)}x`
const ODD_NAMES = [
  'A',
  ' ',
  '…',
  '\u{1F600}',
  '\n',
  '-',
  '...',
  '..a',
  LONGEST_NAME,
  `${LONGEST_NAME}n`,
  LONGEST_WIDE_NAME,
  `${LONGEST_WIDE_NAME}x`,
]
const part = fc.oneof(
  { weight: 12, arbitrary: name },
  { weight: 2, arbitrary: fc.constantFrom('.', '..', '', '..') },
  { weight: 1, arbitrary: fc.constantFrom(...ODD_NAMES) },
)
const LONGEST_PATH = `/a/${'./'.repeat(2048)}`.slice(0, 4094)
const oddPath = fc.oneof(
  {
    weight: 20,
    arbitrary: fc
      .tuple(
        fc.constantFrom('', '/', '//', './', '../'),
        fc.array(part, { maxLength: 4 }),
        fc.constantFrom('', '', '/', '//', '/.', '/..'),
      )
      .map(([before, parts, after]) => before + parts.join('/') + after),
  },
  // 4095 bytes, and one more.
  {
    weight: 1,
    arbitrary: fc.constantFrom(`${LONGEST_PATH}a`, `${LONGEST_PATH}/a`, '/', '', '.', '..'),
  },
)

/** What a run is about: names, what a path can be, or the bytes of two files that are open. */
export type Subject = 'names' | 'paths' | 'bytes'

const PATHS: Readonly<Record<Subject, fc.Arbitrary<string>>> = {
  names: fc.oneof({ weight: 40, arbitrary: plainPath }, { weight: 1, arbitrary: oddPath }),
  paths: fc.oneof(
    { weight: 2, arbitrary: plainPath },
    {
      weight: 2,
      arbitrary: fc.tuple(plainPath, fc.constantFrom('/', '/', '//', '/.', '/..')).map((ends) => ends.join('')),
    },
    { weight: 3, arbitrary: oddPath },
  ),
  bytes: fc.constantFrom('/a', '/b', '/a', '/b', '/c'),
}

/** What is there when a run begins, so that its operations find something. */
export const PRELUDES: Readonly<Record<Subject, readonly Operation[]>> = {
  names: [
    { op: 'mkdir', by: 0, path: '/a' },
    { op: 'mkdir', by: 1, path: '/a/b' },
    { op: 'writeFile', by: 1, path: '/b', data: { seed: 1, length: 5000 }, flags: 'w' },
    { op: 'writeFile', by: 0, path: '/a/c', data: { seed: 2, length: 100 }, flags: 'w' },
    { op: 'symlink', by: 0, path: '/c', target: 'a' },
    { op: 'setXattr', by: 0, path: '/a', name: 'user.a', value: { seed: 3, length: 3 }, mode: 'set' },
    { op: 'setXattr', by: 1, path: '/b', name: 'user.a', value: { seed: 4, length: 4 }, mode: 'set' },
    { op: 'open', by: 0, slot: 0, path: '/b', flags: 'r+' },
    { op: 'open', by: 1, slot: 1, path: '/a/c', flags: 'a+' },
  ],
  paths: [
    { op: 'mkdir', by: 0, path: '/a' },
    { op: 'writeFile', by: 0, path: '/b', data: { seed: 1, length: 5000 }, flags: 'w' },
    { op: 'symlink', by: 1, path: '/a/c', target: '../b' },
    { op: 'open', by: 1, slot: 1, path: '/b', flags: 'a+' },
  ],
  bytes: [
    { op: 'writeFile', by: 0, path: '/a', data: { seed: 1, length: 3 * BLOCK + 100 }, flags: 'w' },
    { op: 'writeFile', by: 1, path: '/b', data: { seed: 2, length: 2 * BLOCK }, flags: 'w' },
    { op: 'open', by: 0, slot: 0, path: '/a', flags: 'r+' },
    { op: 'open', by: 1, slot: 1, path: '/a', flags: 'r+' },
    { op: 'open', by: 0, slot: 2, path: '/b', flags: 'r+' },
    { op: 'open', by: 1, slot: 3, path: '/b', flags: 'a+' },
  ],
}

const target = fc.oneof(
  { weight: 4, arbitrary: plainPath },
  {
    weight: 4,
    arbitrary: fc.constantFrom('a', 'b', 'c', 'a/b', '../a', '..', '.', '/', 'a/', '../c/', 'b/..', 'no'),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', 't'.repeat(4095), 't'.repeat(4096), LONGEST_NAME, `${LONGEST_NAME}n`),
  },
)

const offset = fc.oneof(
  { weight: 6, arbitrary: fc.nat(6 * BLOCK) },
  { weight: 5, arbitrary: fc.nat(6).map((block) => block * BLOCK) },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.nat(6), fc.constantFrom(-1, 1)).map(([at, by]) => Math.max(0, at * BLOCK + by)),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(2 ** 40, 2 ** 40 + 100, MAX_FILE_SIZE, MAX_FILE_SIZE - 1, MAX_FILE_SIZE - BLOCK + 1),
  },
)
const length = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 3 * BLOCK }) },
  { weight: 5, arbitrary: fc.integer({ min: 1, max: 4 }).map((blocks) => blocks * BLOCK) },
  { weight: 1, arbitrary: fc.constantFrom(1, 2 ** 40, 2 ** 40 + BLOCK) },
)
const shortLength = fc.oneof(fc.nat(3 * BLOCK), fc.constantFrom(0, 1, BLOCK, 2 * BLOCK))
/** node:fs asks nobody for 0 bytes. */
const readLength = shortLength.map((bytes) => Math.max(bytes, 1))
const at = fc.option(offset, { nil: null })
const data: fc.Arbitrary<Data> = fc.record({ seed: fc.nat(250), length: shortLength })

/** No bits that a umask takes away: see `modeOf` of the model. */
const mode = fc.constantFrom(0o600, 0o644, 0o755, 0o400, 0o4755, 0o2755, 0o2745, 0o1755, 0)
const both = ([what, more]: [Operation, object]): Operation => ({ ...what, ...more })
const withMode = (operations: fc.Arbitrary<Operation>): fc.Arbitrary<Operation> =>
  fc.tuple(operations, fc.oneof(fc.constant({}), fc.record({ mode }))).map(both)
const id = fc.constantFrom(-1, 0, 1000, 65_534, 2 ** 32 - 2)
/** Quarters of seconds, which every system can say exactly. */
const time = fc.oneof(
  fc.constantFrom(0, 0.25, 1, 2 ** 31, 2 ** 32 + 0.5),
  fc.nat(2 ** 31).map((quarters) => quarters / 4),
)
/** For node:fs that is now. */
const timeBefore1970 = fc.constantFrom(-0.25, -1, -(2 ** 31) - 0.5)
const change: fc.Arbitrary<Policies> = fc.record(
  {
    busy: fc.constantFrom('fail', 'wait', 'sequester', null),
    dax: fc.constantFrom('always', 'never', null),
  },
  { requiredKeys: [] },
)
const xattrName = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('user.a', 'user.a', 'user.b', 'trusted.a', 'security.x') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'user.',
      'a',
      'other.a',
      '',
      `user.${'x'.repeat(250)}`,
      `user.${'x'.repeat(251)}`,
      'user.é',
    ),
  },
)
const xattr = {
  name: xattrName,
  value: fc.record({
    seed: fc.nat(250),
    length: fc.oneof(fc.nat(100), fc.constantFrom(0, 65_536, 65_537)),
  }),
  mode: fc.constantFrom('set', 'create', 'replace'),
} as const
const flags = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      'r',
      'r+',
      'w',
      'w+',
      'wx',
      'wx+',
      'a',
      'a+',
      'ax',
      'ax+',
      'rs+',
      'as',
      'r+',
      'a+',
      'w+',
    ),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        fc.constantFrom(
          constants.O_RDONLY,
          constants.O_WRONLY,
          constants.O_RDWR,
          constants.O_RDWR | constants.O_WRONLY,
        ),
        fc.subarray([
          constants.O_CREAT,
          constants.O_EXCL,
          constants.O_TRUNC,
          constants.O_APPEND,
          constants.O_DIRECTORY,
          constants.O_NOFOLLOW,
          constants.O_SYNC,
        ]),
      )
      .map(([access, bits]) => bits.reduce((all, bit) => all | bit, access)),
  },
)

type Arbitraries<Name extends OperationName> = {
  [Key in keyof Arguments[Name]]-?: fc.Arbitrary<Arguments[Name][Key]>
}

function operation<Name extends OperationName>(op: Name, given: Partial<Arbitraries<Name>>): fc.Arbitrary<Operation> {
  return fc.record({ op: fc.constant(op), ...given }) as unknown as fc.Arbitrary<Operation>
}

interface Weighted {
  readonly weight: number
  readonly arbitrary: fc.Arbitrary<Operation>
}

const range = { slot, offset, length }
const blocks = (least: number): fc.Arbitrary<number> => fc.integer({ min: least, max: 4 }).map((count) => count * BLOCK)
const blockRange = { slot, offset: blocks(0), length: blocks(1) }
const keepSize = fc.boolean()

/** On open files, by way of node:fs. */
const ON_DESCRIPTORS: readonly Weighted[] = [
  { weight: 2, arbitrary: operation('close', { slot }) },
  { weight: 4, arbitrary: operation('fread', { slot, offset: fc.nat(10), length: readLength, at }) },
  { weight: 9, arbitrary: operation('fwrite', { slot, data, at }) },
  { weight: 4, arbitrary: operation('ftruncate', { slot, length: offset }) },
  { weight: 2, arbitrary: operation('fstat', { slot }) },
  { weight: 1, arbitrary: operation('fchmod', { slot, mode }) },
  { weight: 1, arbitrary: operation('fchown', { slot, uid: id, gid: id }) },
  { weight: 1, arbitrary: operation('futimes', { slot, atime: time, mtime: time }) },
  { weight: 1, arbitrary: operation('fsync', { slot }) },
]

/** On open files, what only a pool has. */
const ON_FILES: readonly Weighted[] = [
  { weight: 4, arbitrary: operation('punchHole', range) },
  { weight: 4, arbitrary: operation('zeroRange', { ...range, keepSize }) },
  { weight: 1, arbitrary: operation('collapseRange', range) },
  { weight: 6, arbitrary: operation('collapseRange', blockRange) },
  { weight: 1, arbitrary: operation('insertRange', range) },
  { weight: 6, arbitrary: operation('insertRange', blockRange) },
  { weight: 4, arbitrary: operation('allocate', { ...range, keepSize }) },
  { weight: 3, arbitrary: operation('seekData', { slot, offset }) },
  { weight: 3, arbitrary: operation('seekHole', { slot, offset }) },
  { weight: 5, arbitrary: operation('copyFrom', { slot, from: slot, offset, length: shortLength, position: offset }) },
  { weight: 1, arbitrary: operation('fconfigure', { slot, change }) },
  { weight: 1, arbitrary: operation('fsetXattr', { slot, ...xattr }) },
  { weight: 1, arbitrary: operation('fgetXattr', { slot, name: xattrName }) },
  { weight: 1, arbitrary: operation('flistXattrs', { slot }) },
  { weight: 1, arbitrary: operation('fremoveXattr', { slot, name: xattrName }) },
]

/** Operations that node:fs has as well. */
export function operationsOfNode(subject: Subject): fc.Arbitrary<Operation>[] {
  const path = PATHS[subject]
  const byPath = { by: who, path }
  const open = withMode(operation('open', { ...byPath, slot, flags }))
  const mkdir = withMode(operation('mkdir', byPath))
  const recursively = operation('mkdir', {
    by: who,
    path: path.filter((text) => text !== ''),
    recursive: fc.constant(true),
  })
  const onNames: Weighted[] = [
    { weight: 4, arbitrary: mkdir },
    { weight: 1, arbitrary: recursively },
    { weight: 5, arbitrary: operation('symlink', { ...byPath, target }) },
    { weight: 2, arbitrary: operation('readlink', byPath) },
    { weight: 4, arbitrary: operation('link', { ...byPath, dest: path }) },
    { weight: 3, arbitrary: operation('unlink', byPath) },
    { weight: 3, arbitrary: operation('rmdir', byPath) },
    { weight: 6, arbitrary: operation('rename', { ...byPath, dest: path, mode: fc.constant('replace') }) },
    { weight: 2, arbitrary: operation('readdir', byPath) },
    { weight: 3, arbitrary: operation('lstat', byPath) },
    { weight: 2, arbitrary: operation('exists', byPath) },
    { weight: 1, arbitrary: operation('access', { ...byPath, mode: fc.nat(7) }) },
    { weight: 2, arbitrary: operation('realpath', byPath) },
    { weight: 3, arbitrary: operation('chmod', { ...byPath, mode }) },
    { weight: 2, arbitrary: operation('chown', { ...byPath, uid: id, gid: id }) },
    { weight: 1, arbitrary: operation('lchown', { ...byPath, uid: id, gid: id }) },
    { weight: 1, arbitrary: operation('lutimes', { ...byPath, atime: time, mtime: time }) },
  ]
  const onContents: Weighted[] = [
    { weight: 6, arbitrary: open },
    { weight: 2, arbitrary: operation('readFile', byPath) },
    {
      weight: 3,
      arbitrary: operation('writeFile', { ...byPath, data, flags: fc.constantFrom('w', 'a', 'wx', 'r+', 'ax') }),
    },
    { weight: 2, arbitrary: operation('copyFile', { ...byPath, dest: path, exclusive: fc.boolean() }) },
    { weight: 2, arbitrary: operation('truncate', { ...byPath, length: offset }) },
    { weight: 3, arbitrary: operation('stat', byPath) },
    { weight: 1, arbitrary: operation('unlink', byPath) },
    { weight: 1, arbitrary: operation('rename', { ...byPath, dest: path, mode: fc.constant('replace') }) },
    { weight: 2, arbitrary: operation('utimes', { ...byPath, atime: time, mtime: time }) },
  ]
  return weighted(onContents, subject === 'bytes' ? [...ON_DESCRIPTORS, ...ON_DESCRIPTORS] : onNames, ON_DESCRIPTORS)
}

/** Those that only a pool has. */
export function operationsOfPool(subject: Subject): fc.Arbitrary<Operation>[] {
  const path = PATHS[subject]
  const byPath = { by: who, path }
  const onNames: Weighted[] = [
    {
      weight: 2,
      arbitrary: operation('mknod', {
        ...byPath,
        of: fc.constantFrom('file', 'fifo', 'socket', 'character', 'block'),
        rdev: fc.constantFrom(0, 1, 0xff_ff),
      }),
    },
    {
      weight: 4,
      arbitrary: operation('rename', {
        ...byPath,
        dest: path,
        mode: fc.constantFrom('noReplace', 'exchange', 'exchange'),
      }),
    },
    { weight: 1, arbitrary: operation('utimes', { ...byPath, atime: timeBefore1970, mtime: timeBefore1970 }) },
    { weight: 2, arbitrary: operation('configure', { ...byPath, change }) },
    { weight: 5, arbitrary: operation('setXattr', { ...byPath, ...xattr }) },
    { weight: 1, arbitrary: operation('getXattr', { ...byPath, name: xattrName }) },
    { weight: 1, arbitrary: operation('listXattrs', byPath) },
    { weight: 1, arbitrary: operation('removeXattr', { ...byPath, name: xattrName }) },
  ]
  const onContents: Weighted[] = [
    { weight: 1, arbitrary: operation('openUnnamed', { by: who, path: fc.oneof(fc.constant('/'), path), slot }) },
    { weight: 2, arbitrary: operation('flink', { slot, dest: path }) },
  ]
  return weighted(onContents, subject === 'bytes' ? ON_FILES : onNames, ON_FILES)
}

/** As many arbitraries as their weights say: what `fc.commands` chooses from evenly. */
const weighted = (...operations: readonly (readonly Weighted[])[]): fc.Arbitrary<Operation>[] =>
  operations.flat().flatMap(({ weight, arbitrary }) => Array.from({ length: weight }, () => arbitrary))

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

/** Paths of a kind: those that mostly lead somewhere, or those that try what a path can be. */
export type PathKind = 'plain' | 'odd'

const pathsOf = (kind: PathKind): fc.Arbitrary<string> =>
  kind === 'plain'
    ? fc.oneof({ weight: 30, arbitrary: plainPath }, { weight: 1, arbitrary: oddPath })
    : fc.oneof({ weight: 3, arbitrary: plainPath }, { weight: 4, arbitrary: oddPath })

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
  { weight: 8, arbitrary: fc.constantFrom('user.a', 'user.b', 'trusted.a', 'security.x') },
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
  mode: fc.constantFrom('set', 'set', 'create', 'replace'),
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

/** Operations that node:fs has as well. */
export function operationsOfNode(paths: PathKind): Weighted[] {
  const path = pathsOf(paths)
  const byPath = { by: who, path }
  const open = withMode(operation('open', { ...byPath, slot, flags }))
  const mkdir = withMode(operation('mkdir', byPath))
  const recursively = operation('mkdir', {
    by: who,
    path: path.filter((text) => text !== ''),
    recursive: fc.constant(true),
  })
  return [
    { weight: 8, arbitrary: open },
    { weight: 3, arbitrary: operation('readFile', byPath) },
    {
      weight: 6,
      arbitrary: operation('writeFile', {
        ...byPath,
        data,
        flags: fc.constantFrom('w', 'a', 'wx', 'r+', 'ax'),
      }),
    },
    {
      weight: 3,
      arbitrary: operation('copyFile', { ...byPath, dest: path, exclusive: fc.boolean() }),
    },
    { weight: 3, arbitrary: operation('truncate', { ...byPath, length: offset }) },
    { weight: 6, arbitrary: mkdir },
    { weight: 1, arbitrary: recursively },
    { weight: 5, arbitrary: operation('symlink', { ...byPath, target }) },
    { weight: 2, arbitrary: operation('readlink', byPath) },
    { weight: 4, arbitrary: operation('link', { ...byPath, dest: path }) },
    { weight: 4, arbitrary: operation('unlink', byPath) },
    { weight: 3, arbitrary: operation('rmdir', byPath) },
    {
      weight: 6,
      arbitrary: operation('rename', { ...byPath, dest: path, mode: fc.constant('replace') }),
    },
    { weight: 2, arbitrary: operation('readdir', byPath) },
    { weight: 4, arbitrary: operation('stat', byPath) },
    { weight: 3, arbitrary: operation('lstat', byPath) },
    { weight: 2, arbitrary: operation('exists', byPath) },
    { weight: 1, arbitrary: operation('access', { ...byPath, mode: fc.nat(7) }) },
    { weight: 2, arbitrary: operation('realpath', byPath) },
    { weight: 3, arbitrary: operation('chmod', { ...byPath, mode }) },
    { weight: 2, arbitrary: operation('chown', { ...byPath, uid: id, gid: id }) },
    { weight: 1, arbitrary: operation('lchown', { ...byPath, uid: id, gid: id }) },
    { weight: 2, arbitrary: operation('utimes', { ...byPath, atime: time, mtime: time }) },
    { weight: 1, arbitrary: operation('lutimes', { ...byPath, atime: time, mtime: time }) },
    { weight: 2, arbitrary: operation('close', { slot }) },
    {
      weight: 3,
      arbitrary: operation('fread', { slot, offset: fc.nat(10), length: readLength, at }),
    },
    { weight: 6, arbitrary: operation('fwrite', { slot, data, at }) },
    { weight: 3, arbitrary: operation('ftruncate', { slot, length: offset }) },
    { weight: 2, arbitrary: operation('fstat', { slot }) },
    { weight: 1, arbitrary: operation('fchmod', { slot, mode }) },
    { weight: 1, arbitrary: operation('fchown', { slot, uid: id, gid: id }) },
    { weight: 1, arbitrary: operation('futimes', { slot, atime: time, mtime: time }) },
    { weight: 1, arbitrary: operation('fsync', { slot }) },
  ]
}

/** Those that only a pool has. */
export function operationsOfPool(paths: PathKind): Weighted[] {
  const path = pathsOf(paths)
  const byPath = { by: who, path }
  const range = { slot, offset, length }
  const keepSize = fc.boolean()
  return [
    {
      weight: 2,
      arbitrary: operation('openUnnamed', {
        by: who,
        path: fc.oneof(fc.constant('/'), path),
        slot,
      }),
    },
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
    {
      weight: 1,
      arbitrary: operation('utimes', { ...byPath, atime: timeBefore1970, mtime: timeBefore1970 }),
    },
    { weight: 2, arbitrary: operation('configure', { ...byPath, change }) },
    { weight: 3, arbitrary: operation('setXattr', { ...byPath, ...xattr }) },
    { weight: 1, arbitrary: operation('getXattr', { ...byPath, name: xattrName }) },
    { weight: 1, arbitrary: operation('listXattrs', byPath) },
    { weight: 1, arbitrary: operation('removeXattr', { ...byPath, name: xattrName }) },
    { weight: 3, arbitrary: operation('punchHole', range) },
    { weight: 3, arbitrary: operation('zeroRange', { ...range, keepSize }) },
    { weight: 4, arbitrary: operation('collapseRange', range) },
    { weight: 4, arbitrary: operation('insertRange', range) },
    { weight: 3, arbitrary: operation('allocate', { ...range, keepSize }) },
    { weight: 2, arbitrary: operation('seekData', { slot, offset }) },
    { weight: 2, arbitrary: operation('seekHole', { slot, offset }) },
    {
      weight: 4,
      arbitrary: operation('copyFrom', {
        slot,
        from: slot,
        offset,
        length: shortLength,
        position: offset,
      }),
    },
    { weight: 1, arbitrary: operation('fconfigure', { slot, change }) },
    { weight: 1, arbitrary: operation('fsetXattr', { slot, ...xattr }) },
    { weight: 1, arbitrary: operation('fgetXattr', { slot, name: xattrName }) },
    { weight: 1, arbitrary: operation('flistXattrs', { slot }) },
    { weight: 1, arbitrary: operation('fremoveXattr', { slot, name: xattrName }) },
    { weight: 3, arbitrary: operation('flink', { slot, dest: path }) },
  ]
}

/** As many arbitraries as their weights say: what `fc.commands` chooses from evenly. */
export const weighted = (operations: readonly Weighted[]): fc.Arbitrary<Operation>[] =>
  operations.flatMap(({ weight, arbitrary }) => Array.from({ length: weight }, () => arbitrary))

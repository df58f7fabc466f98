/** The part of the conformance suite about marks: whoever caches what it read is told in time. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { LOST_AND_FOUND_INODE, ROOT_INODE } from '../../src/metadata/metadata.ts'
import type { InodeKind, Metadata } from '../../src/metadata/metadata.ts'
import type { InodeNumber } from '../../src/units.ts'
import { MarkWatch } from './mark-watch.ts'
import {
  create,
  everythingBusy,
  everythingSequestered,
  fileOf,
  LATER,
  made,
  nothing,
  NOW,
  orphaned,
  range,
  refused,
} from './subject.ts'
import type { MakeMetadata } from './subject.ts'

/** The store of each test: /d/e, /d/f (4 blocks), /d/g (2 blocks), /d/s (a symlink), and a file in /lost+found. */
async function store(metadata: Metadata) {
  const d = (await create(metadata, 'd', 'directory')).ino
  const e = (await create(metadata, 'e', 'directory', d)).ino
  const move = async (name: string) =>
    metadata.rename({ fromParent: ROOT_INODE, fromName: name, toParent: d, toName: name, nowNs: NOW }, orphaned)
  const f = await fileOf(metadata, 'f', 4)
  const g = await fileOf(metadata, 'g', 4)
  const s = (await create(metadata, 's', 'symlink')).ino
  for (const name of ['f', 'g', 's']) await move(name)
  const cut = { ino: g, remove: [range(2, 4)], size: 8192, nowNs: NOW }
  const lost = (await metadata.changeLayout(cut, everythingSequestered)).lostAndFound[0].ino
  await metadata.setXattr(f, 'user.a', new Uint8Array(1), { mode: 'set', nowNs: NOW })
  return { d, e, f, g, s, lost }
}
type Store = Awaited<ReturnType<typeof store>>
/** Which of the store, and 'root', 'found' for the two directories of every pool. */
type Marked = keyof Store | 'root' | 'found'

const request = (parent: InodeNumber, name: string) => ({ parent, name, nowNs: LATER })
const making = (parent: InodeNumber, name: string | undefined, kind: InodeKind = 'file') => ({
  ...request(parent, ''),
  name,
  kind,
  mode: 0o644,
  uid: 0,
  gid: 0,
})
const renaming = (parent: InodeNumber, fromName: string, toParent: InodeNumber, toName: string) => ({
  fromParent: parent,
  fromName,
  toParent,
  toName,
  nowNs: LATER,
})

type Operation = (metadata: Metadata, at: Store, noting: MarkWatch['noting']) => Promise<unknown>

const OPERATIONS: readonly [what: string, expected: readonly Marked[], operation: Operation][] = [
  ['create', ['d'], (m, { d }, noting) => m.create(making(d, 'x'), noting(nothing))],
  ['create of a directory', ['d'], (m, { d }, noting) => m.create(making(d, 'x', 'directory'), noting(nothing))],
  ['create without a name', [], (m, { d }, noting) => m.create(making(d, undefined), noting(nothing))],
  ['link', ['root', 'f'], (m, { f }) => m.link({ ...request(ROOT_INODE, 'x'), ino: f })],
  ['unlink', ['d', 'f', 'found'], (m, { d }, noting) => m.unlink(request(d, 'f'), noting(everythingSequestered))],
  ['unlink of an open file', ['d', 'f', 'found'], (m, { d }, noting) => m.unlink(request(d, 'f'), noting(orphaned))],
  ['unlink refused', ['d', 'f', 'found'], (m, { d }, noting) => m.unlink(request(d, 'f'), noting(refused))],
  ['unlink of a symlink', ['d', 's'], (m, { d }, noting) => m.unlink(request(d, 's'), noting(orphaned))],
  ['removeDirectory', ['d', 'e'], (m, { d }) => m.removeDirectory(request(d, 'e'))],
  ['rename', ['d', 'f', 'root'], (m, { d }, noting) => m.rename(renaming(d, 'f', ROOT_INODE, 'x'), noting(orphaned))],
  ['rename of a directory', ['d', 'e', 'root'], (m, { d }) => m.rename(renaming(d, 'e', ROOT_INODE, 'x'), orphaned)],
  [
    'rename over a file',
    ['d', 'f', 'g', 'found'],
    (m, { d }, noting) => m.rename(renaming(d, 'f', d, 'g'), noting(everythingSequestered)),
  ],
  [
    'rename over a directory',
    ['d', 'e', 'root'],
    async (m, { d }) => m.rename(renaming(ROOT_INODE, 'empty', d, 'e'), orphaned),
  ],
  ['exchange', ['d', 'f', 'g'], (m, { d }) => m.rename({ ...renaming(d, 'f', d, 'g'), mode: 'exchange' }, orphaned)],
  [
    'exchange of directories',
    ['d', 'e', 'root'],
    (m, { d }) => m.rename({ ...renaming(d, 'e', ROOT_INODE, 'empty'), mode: 'exchange' }, orphaned),
  ],
  ['setAttributes', ['f'], (m, { f }) => m.setAttributes(f, { mode: 0, nowNs: LATER })],
  ['setXattr', ['f'], (m, { f }) => m.setXattr(f, 'user.b', new Uint8Array(2), { mode: 'set', nowNs: LATER })],
  ['removeXattr', ['f'], (m, { f }) => m.removeXattr(f, 'user.a', LATER)],
  ['allocate', ['f'], (m, { f }, noting) => m.allocate({ ino: f, range: range(0, 9) }, noting(nothing))],
  ['allocate of nothing', [], (m, { f }, noting) => m.allocate({ ino: f, range: range(0, 1) }, noting(nothing))],
  [
    'extend',
    ['f'],
    (m, { f }, noting) =>
      m.extend(
        f,
        LATER,
        noting(() => 9 * 4096),
      ),
  ],
  [
    'changeLayout',
    ['f', 'found'],
    (m, { f }, noting) =>
      m.changeLayout({ ino: f, remove: [range(1, 2)], nowNs: LATER }, noting(everythingSequestered)),
  ],
  [
    'a shift and a fill',
    ['f'],
    (m, { f }, noting) => {
      const fill = { range: range(1, 2), prepare: noting(nothing) }
      const shift = { from: 1, by: 1 } as never
      return m.changeLayout({ ino: f, remove: [], shift, fill, nowNs: LATER }, noting(everythingBusy))
    },
  ],
  [
    'the end of a file of /lost+found',
    ['lost', 'found'],
    (m, { lost }, noting) =>
      m.changeLayout({ ino: lost, remove: [], deleteInode: true, nowNs: LATER }, noting(everythingBusy)),
  ],
  ['reserve', [], (m, _, noting) => m.reserve(1, noting(nothing))],
  ['release', [], async (m) => m.release((await m.busyExtents()).map(({ id }) => id))],
]

export function marksConformance(name: string, make: MakeMetadata): void {
  describe(`${name}: marks`, () => {
    for (const [what, expected, operation] of OPERATIONS) {
      test(`promise 2: ${what} marks what it changes, before it asks, and ends the marks once`, async (t) => {
        const watch = new MarkWatch()
        const { metadata } = await made(t, make, 64, 0, watch)
        const at = await store(metadata)
        if (what.includes('director')) {
          await create(metadata, 'empty', 'directory')
          if (what === 'exchange of directories') await create(metadata, 'x', 'file', at.e)
        }
        const marked = await watch.watched(metadata, () => operation(metadata, at, watch.noting))
        const numbers = { ...at, root: ROOT_INODE, found: LOST_AND_FOUND_INODE }
        for (const one of expected) assert.ok(marked.has(numbers[one]), `${one} is not marked`)
        for (const [one, ino] of Object.entries(numbers)) {
          if (marked.has(ino)) assert.ok(expected.includes(one as Marked) || one === 'empty', `${one} is marked`)
        }
      })
    }

    test('marks end when a callback throws, and a failure without a change has none', async (t) => {
      const watch = new MarkWatch()
      const { metadata } = await made(t, make, 64, 0, watch)
      const at = await store(metadata)
      const error = new Error('no')
      const fails = (): never => {
        throw error
      }
      const failing = watch.watched(metadata, () => metadata.unlink(request(at.d, 'f'), watch.noting(fails)))
      await assert.rejects(failing, error)
      const missing = watch.watched(metadata, () => metadata.unlink(request(at.d, 'none'), fails))
      await assert.rejects(missing, { code: 'ENOENT' })
    })

    test('a change is seen by others after its marks began, and before they end', async (t) => {
      const order: unknown[] = []
      let look: () => unknown = nothing
      const marks = {
        begin: () => order.push('begin', look()),
        end: () => order.push('end', look()),
      }
      const subject = await made(t, make, 64, 0, marks)
      const { ino } = await create(subject.metadata, 'a')
      const other = await subject.openAgain()
      look = () => other.layoutNow?.(ino)?.inode.size
      order.length = 0
      await subject.metadata.extend(ino, LATER, () => 5)
      assert.deepEqual(order, ['begin', 0, 'end', 5])
    })
  })
}

/** Young files: made in an open batch, and in no table before they have to be. All that stores do is asked of them in sqlite-late.test.ts. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { CreateRequest, LateCommits, Metadata } from '../../src/metadata/metadata.ts'
import { LOST_AND_FOUND_INODE, ROOT_INODE } from '../../src/metadata/metadata.ts'
import type { InodeNumber } from '../../src/units.ts'
import { atEnd } from '../support/temporary-pool.ts'
import { create, everythingBusy, LATER, made, NOW, orphaned, properties, refused, sqliteIn } from './subject.ts'

interface Subject {
  readonly metadata: Metadata
  /** Sees what is committed. */
  readonly other: Metadata
  readonly late: LateCommits
  readonly door: { isStill: boolean }
}

async function subjectOf(t: TestContext): Promise<Subject> {
  const { metadata, openAgain } = await made(t, sqliteIn('/dev/shm'))
  const other = await openAgain()
  const door = { isStill: true, begin: () => door.isStill, end: () => undefined }
  return { metadata, other, door, late: metadata.commitLate!(door) }
}

const request = (name: string, more: Partial<CreateRequest> = {}): CreateRequest => ({
  parent: ROOT_INODE,
  name,
  kind: 'file',
  mode: 0o644,
  uid: 3,
  gid: 4,
  nowNs: NOW,
  ...more,
})
const named = (name: string, parent: InodeNumber = ROOT_INODE) => ({ parent, name, nowNs: LATER })
const closed = (): boolean => false

test('a file made and removed in one batch leaves its directory changed twice, its number used, and nothing else', async (t) => {
  const { metadata, other, late } = await subjectOf(t)
  const before = (await metadata.inode(ROOT_INODE))!
  const claimed: number[] = []
  const inode = metadata.createNow!(request('a'), (ino) => claimed.push(ino))!
  assert.deepEqual([inode.ino, inode.nlink, inode.mode, inode.uid, inode.gid, claimed], [3, 1, 0o644, 3, 4, [3]])
  const gone = metadata.unlinkNow!(named('a'), (ino) => ino !== inode.ino)
  assert.deepEqual(gone, { ...inode, nlink: 0, ctimeNs: LATER, changeCount: 1 })
  late.commit()
  const root = await other.inode(ROOT_INODE)
  assert.deepEqual(root, { ...before, mtimeNs: LATER, ctimeNs: LATER, changeCount: before.changeCount + 2 })
  assert.deepEqual([await other.inode(inode.ino), (await other.space()).files], [undefined, 0])
  assert.equal((await create(metadata, 'b')).ino, 4)
})

test('whoever looks finds it, as one that was made in the tables, and then it is in them', async (t) => {
  const { metadata, other, late } = await subjectOf(t)
  const inode = metadata.createNow!(request('a'))!
  assert.deepEqual(await metadata.lookup(ROOT_INODE, 'a'), inode)
  assert.deepEqual(await metadata.inode(inode.ino), inode)
  assert.deepEqual(metadata.layoutNow!(inode.ino), { inode, extents: [] })
  assert.equal(metadata.unlinkNow!(named('a'), closed), undefined, 'it is no young one any more')
  late.commit()
  assert.deepEqual(await other.lookup(ROOT_INODE, 'a'), inode)
})

test('what is open is not removed at once, and becomes an orphan by the tables', async (t) => {
  const { metadata, other, late } = await subjectOf(t)
  const { ino } = metadata.createNow!(request('a'))!
  assert.equal(
    metadata.unlinkNow!(named('a'), (each) => each === ino),
    undefined,
  )
  assert.equal((await metadata.unlink(named('a'), orphaned)).isGone, false)
  late.commit()
  assert.deepEqual(await other.orphans(), [ino])
})

test('a name that is taken, a directory that is none, and what is no plain file are for the tables, which say why', async (t) => {
  const { metadata, other, late } = await subjectOf(t)
  const file = await create(metadata, 'in tables')
  late.commit()
  assert.ok(metadata.createNow!(request('young')) !== undefined)
  const before = [await metadata.inode(ROOT_INODE), await metadata.space()]
  const xattrs = [['user.x', new Uint8Array(1)]] as const
  const refusals: [CreateRequest, string | undefined][] = [
    [request('in tables'), 'EEXIST'],
    [request('young'), 'EEXIST'],
    [request('x', { parent: file.ino }), 'ENOTDIR'],
    [request('x', { parent: 99 as InodeNumber }), 'ENOENT'],
    [request('x', { parent: LOST_AND_FOUND_INODE }), 'EPERM'],
    [request('d', { kind: 'directory' }), undefined],
    [request('l', { kind: 'symlink', target: 't' }), undefined],
    [request('with attributes', { along: () => ({ xattrs }) }), undefined],
    [{ ...request(''), name: undefined }, undefined],
  ]
  const unexpected = (): never => assert.fail('nobody is to claim it')
  for (const [each] of refusals) assert.equal(metadata.createNow!(each, unexpected), undefined, each.name)
  assert.throws(() => metadata.createNow!(request('n'.repeat(256)), unexpected), { code: 'ENAMETOOLONG' })
  assert.equal(metadata.unlinkNow!(named('in tables'), closed), undefined)
  assert.deepEqual([await metadata.inode(ROOT_INODE), await metadata.space()], before)
  for (const [each, code] of refusals) {
    if (code === undefined) await metadata.create(each)
    else await assert.rejects(metadata.create(each), { code })
  }
  late.commit()
  assert.deepEqual(await other.xattrs((await other.lookup(ROOT_INODE, 'with attributes'))!.ino), ['user.x'])
})

test('the same name in two directories is that of two files', async (t) => {
  const { metadata, other, late } = await subjectOf(t)
  const { ino: directory } = await create(metadata, 'd', 'directory')
  const a = metadata.createNow!(request('same'))!
  assert.equal(metadata.unlinkNow!(named('same', directory), closed), undefined)
  const b = await metadata.create(request('same', { parent: directory }))
  assert.deepEqual([await metadata.lookup(ROOT_INODE, 'same'), await metadata.lookup(directory, 'same')], [a, b])
  assert.equal((await metadata.unlink(named('same'), everythingBusy)).isGone, true)
  late.commit()
  assert.deepEqual([await other.lookup(ROOT_INODE, 'same'), await other.lookup(directory, 'same')], [undefined, b])
})

test('a claim that fails leaves nothing of the file, and its number to the next one', async (t) => {
  const { metadata, other, late } = await subjectOf(t)
  metadata.createNow!(request('a'))
  const full = (): never => {
    throw new Error('the table is full')
  }
  assert.throws(() => metadata.createNow!(request('b'), full), /the table is full/)
  assert.equal(metadata.createNow!(request('b'))?.ino, 4)
  metadata.unlinkNow!(named('a'), closed)
  late.commit()
  assert.deepEqual(
    (await other.entries(ROOT_INODE)).map(({ name }) => name),
    ['b', 'lost+found'],
  )
  assert.deepEqual([(await other.space()).files, (await other.inode(ROOT_INODE))?.changeCount], [1, 3])
})

test('with others there, and while another one has the lock, it is for who can wait', async (t) => {
  const { metadata, other, door, late } = await subjectOf(t)
  const { ino } = metadata.createNow!(request('a'))!
  door.isStill = false
  assert.equal(metadata.createNow!(request('b')), undefined)
  assert.ok(!late.isOpen)
  assert.equal((await other.lookup(ROOT_INODE, 'a'))?.ino, ino, 'what was young is committed by then')
  door.isStill = true
  await other.extend(ino, NOW, () => {
    assert.equal(metadata.createNow!(request('b')), undefined)
    return undefined
  })
  assert.equal(metadata.createNow!(request('b'))?.ino, 4)
  assert.equal((await metadata.unlink(named('b'), refused)).committed, false)
})

test('nobody looks whether a name is free that is known to be; where that was wrong, the batch is lost', async (t) => {
  const subject = await sqliteIn('/dev/shm')(properties(64))
  atEnd(t, () => subject.dispose())
  const { metadata } = subject
  metadata.commitLate!({ isStill: true, begin: () => true, end: () => undefined })
  await create(metadata, 'a', 'directory')
  await metadata.sync()
  assert.equal(metadata.createNow!(request('a', { isFree: () => false })), undefined)
  assert.ok(metadata.createNow!(request('a', { isFree: () => true })) !== undefined)
  await assert.rejects(metadata.lookup(ROOT_INODE, 'a'), /the name of a young file is taken/)
  await assert.rejects(create(metadata, 'b'), { code: 'EIO' })
  const again = await subject.openAgain()
  assert.deepEqual([(await again.lookup(ROOT_INODE, 'a'))?.kind, await again.check()], ['directory', []])
})
